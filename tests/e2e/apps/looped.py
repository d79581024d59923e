"""Workers on the protocol driver, given to the server by their dotted paths; and their app."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from corn_asyncio.driver import AsyncioDriver
from corn_asyncio.threaded import ThreadPoolDriver
from corn_core.serving.poller import _PollPoller
from corn_core.serving.settings import client_limits
from corn_core.worker import Worker

MEBIBYTE = 1024 * 1024


class Inline(Worker):
    """Calls the application in the event loop."""

    def run(self) -> None:
        AsyncioDriver(self, client_limits(self.cfg, self.cfg.keepalive)).run()


class Pooled(Worker):
    """Calls the application in threads."""

    multithread = True

    def run(self) -> None:
        ThreadPoolDriver(self, client_limits(self.cfg, self.cfg.keepalive), self.cfg.threads).run()


class WithoutEpoll(Worker):
    """As on a system that has none."""

    def run(self) -> None:
        driver = AsyncioDriver(self, client_limits(self.cfg, self.cfg.keepalive))
        driver.poller.close()
        driver.poller = _PollPoller()
        driver.run()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Says what it was sent, and does what the path says."""
    path, body = environ["PATH_INFO"], environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if path == "/thread":
        return [threading.current_thread().name.encode()]
    if path == "/deaf":
        signal.set_wakeup_fd(-1)
    if path == "/parts":
        return parts(environ["QUERY_STRING"])
    if path == "/wait":
        with open(environ["QUERY_STRING"]) as gate:
            gate.read()
    return [path.encode() + b" " + body]


def parts(fifo: str) -> Iterator[bytes]:
    """4 MiB in small pieces, a pause until the gate opens, and the end."""
    for _ in range(64):
        yield b"x" * (MEBIBYTE // 16)
    with open(fifo) as gate:
        gate.read()
    yield b"end"
