"""Checks what a real server sends to syslog."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.waiting import wait_for


class Daemon:
    """A socket for datagrams in the place of the syslog daemon's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(path))
        self.socket.setblocking(False)
        self.messages: list[str] = []

    def wait_for(self, pattern: str) -> str:
        """Wait for a message that the pattern matches, and return it."""

        def found() -> str | None:
            try:
                while True:
                    self.messages.append(self.socket.recv(1 << 17).decode())
            except BlockingIOError:
                pass
            return next((text for text in self.messages if re.search(pattern, text)), None)

        message = wait_for(found, f"{pattern!r} in syslog")
        assert message
        return message


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "syslog")
    yield made
    made.socket.close()


def test_syslog(serve: Serve, daemon: Daemon) -> None:
    server = serve(
        "--log-syslog",
        f"--log-syslog-to=unix://{daemon.path}#dgram",
        "--log-syslog-facility=local3",
        "--access-logformat=%(r)s",
        "probe:app",
    )
    daemon.wait_for(rf"^<158>corn\.probe\.app\.error: \[{server.pid}\] Listening at: ")
    (worker,) = server.wait_for_workers(1)
    server.get("/pid")
    daemon.wait_for(rf"^<158>corn\.probe\.app\.access: \[{worker}\] GET /pid HTTP/1\.1$")
    assert "[INFO] Listening at: " in server.log
    server.stop()
    daemon.wait_for(rf"\[{worker}\] Worker exiting")


def test_syslog_without_access_lines(serve: Serve, daemon: Daemon) -> None:
    server = serve(
        "--log-syslog",
        f"--log-syslog-to=unix://{daemon.path}",
        "--log-syslog-prefix=my shop",
        "--disable-redirect-access-to-syslog",
        "probe:app",
    )
    server.get()
    server.stop()
    daemon.wait_for(r"^<14>corn\.my\.shop\.error: .*Shutting down: Master")
    assert not any(".access" in message for message in daemon.messages)


def test_server_starts_without_the_daemon(serve: Serve, tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/none"
    server = serve("--log-syslog", f"--log-syslog-to={address}", "probe:app")
    assert server.get() == "hello"
    server.stop()
    pattern = rf"\[{server.pid}\] \[WARNING\] Cannot log to syslog at {address}: No such file"
    assert len(re.findall(pattern, server.log)) == 1
