"""A connection whose requests are dispatched before their bodies are complete."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from corn_core.http import Request
from corn_core.net import Listener
from corn_core.serving.connection import Connection
from corn_core.serving.driver import Phase, Stream
from corn_core.serving.poller import NOTHING
from corn_core.wsgi import RequestBody
from tests.unit.serving.bench import Bench, Recorder
from tests.unit.wsgi.harness import Server

POST = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


class Streaming(Connection):
    """Dispatches at the end of the head; the body goes to an application that runs already."""

    __slots__ = ("arrived",)

    def expect_body(self, request: Request) -> None:
        self.arrived: list[bytes | None] = []
        super().expect_body(request)
        assert self.body is not None
        self.driver.dispatch(self, request, self.body)

    def take_body(self) -> bool:
        while data := self.parser.read_body():
            self.arrived.append(data)
        if data is None:
            self.arrived.append(None)
            # What comes next is not of this request.
            self.set_interest(NOTHING)
        else:
            self.await_input()
        return False

    def answered(self) -> None:
        """Finish, because the application has sent its response."""
        self.drop_request()
        self.finish(keep=True)


class Running(Recorder):
    """A driver that lets applications begin, and leaves it to the test when they end."""

    def dispatch(self, connection: Stream, request: Request, body: RequestBody) -> None:
        self.told.append(f"{request.method} {request.path}")


@pytest.fixture
def bench(server: Server, listener: Listener) -> Iterator[Bench]:
    with closing(Bench(server, listener)) as bench:
        bench.driver = Running(**vars(bench.driver))
        bench.connection = Streaming(bench.driver, listener, bench.sock, ("192.0.2.7", 4711))
        yield bench


def test_application_runs_while_its_body_arrives(bench: Bench) -> None:
    connection = bench.connection
    assert isinstance(connection, Streaming)
    bench.hear(POST % 1)
    assert bench.driver.told == ["POST /1", "watch read"]
    bench.hear(b"he")
    assert connection.arrived == [b"he"]
    bench.hear(b"llo")
    assert connection.arrived == [b"he", b"llo", None]
    connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    connection.answered()
    bench.take()
    assert bench.seen == ["200"]
    assert connection.phase is Phase.IDLE
    bench.hear(POST % 2 + b"again")
    assert connection.arrived == [b"again", None]
    assert bench.driver.told[-2:] == ["POST /2", "watch nothing"]
