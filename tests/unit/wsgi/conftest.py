"""A server without sockets of its own, one for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corn_core.net import Listener, TcpAddress, UnixAddress, bind_all
from tests.unit.wsgi.harness import Server


class _NoLog:
    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"nothing to log, but {name} was called")


_NO_LOG: Any = _NoLog()


@pytest.fixture(scope="session")
def listener() -> Iterator[Listener]:
    """A real TCP listener."""
    (listener,) = bind_all([TcpAddress("127.0.0.1", 0)], 1, _NO_LOG)
    yield listener
    listener.close()


@pytest.fixture
def unix_listener(tmp_path: Path) -> Iterator[Listener]:
    (listener,) = bind_all([UnixAddress(str(tmp_path / "s"))], 1, _NO_LOG)
    yield listener
    listener.close()


@pytest.fixture
def server(tmp_path: Path, listener: Listener) -> Iterator[Server]:
    server = Server(tmp_path, listener)
    yield server
    server.close()
