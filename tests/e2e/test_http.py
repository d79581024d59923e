"""HTTP and WSGI as a client sees them, on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from corn_testkit.client import parse
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"), ["--bind=127.0.0.1:0", "probe:app"])
    try:
        yield running.started()
        running.stop()
    finally:
        running.kill()
    running.check_log()


def environ(server: Server, request: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parse(server.raw(request)).text)["wsgi"]
    return found


@pytest.mark.parametrize(
    ("field", "scheme"),
    [
        (b"X-Forwarded-Proto: https", "https"),
        (b"X-Forwarded-Protocol: ssl", "https"),
        (b"X-Forwarded-Ssl: on", "https"),
        (b"X-Forwarded-Proto: http", "http"),
        (b"X-Other: https", "http"),
    ],
)
def test_scheme_from_a_trusted_proxy(server: Server, field: bytes, scheme: str) -> None:
    wsgi = environ(server, b"GET /facts HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % field)
    assert wsgi["wsgi.url_scheme"] == scheme


def test_contradictory_schemes_are_refused(server: Server) -> None:
    received = server.raw(
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n"
    )
    assert parse(received).status == 400


def test_scheme_from_anybody_else_is_ignored(serve: Serve) -> None:
    server = serve("--forwarded-allow-ips=10.0.0.1", "probe:app")
    wsgi = environ(server, b"GET /facts HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\n\r\n")
    assert wsgi["wsgi.url_scheme"] == "http"
    server.stop()


def test_forwarded_allow_ips_variable(serve: Serve) -> None:
    server = serve("probe:app", env={"FORWARDED_ALLOW_IPS": "10.0.0.1"})
    wsgi = environ(server, b"GET /facts HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\n\r\n")
    assert wsgi["wsgi.url_scheme"] == "http"
    server.stop()


def test_script_name(serve: Serve) -> None:
    server = serve("probe:app", env={"SCRIPT_NAME": "/shop"})
    wsgi = environ(server, b"GET /shop/facts HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (wsgi["SCRIPT_NAME"], wsgi["PATH_INFO"]) == ("/shop", "/facts")
    server.stop()
