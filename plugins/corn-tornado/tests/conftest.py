"""The fixtures of the server's own tests, for this worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import Server

APPS = Path(__file__).with_name("apps")

Native = Callable[..., Server]


@pytest.fixture
def native(serve: Serve) -> Native:
    """Starts a server for a Tornado application, ``native:app`` if no other is named."""

    def start(*arguments: str, app: str = "native:app", **more: object) -> Server:
        return serve("-k", "tornado", *arguments, app, cwd=APPS, **more)  # type: ignore[arg-type]

    return start
