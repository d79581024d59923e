"""WSGI applications under the tornado worker; what all workers do is the conformance kit's."""

from __future__ import annotations

import json

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import Server


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve("-k", "tornado", "--keep-alive=30", "--access-logfile=-", "probe:app")


def test_application_is_called_in_the_loop(server: Server) -> None:
    told = json.loads(server.get("/facts"))["wsgi"]
    assert told["wsgi.multithread"] is False
    assert told["SERVER_SOFTWARE"].startswith("corn/")
