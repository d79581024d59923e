"""A worker whose clients may ask for several things at once on a connection, without HTTP.

Each asks in a line, ``NUMBER TARGET``, and the answers come in the order in which they are ready:
``NUMBER LENGTH`` in a line, and so many bytes of an HTTP response. It stands for HTTP/2.
"""

from __future__ import annotations

from corn_core.http import Request, RequestParser
from corn_core.worker import (
    DONTWAIT,
    FOREVER,
    READABLE,
    Connection,
    RequestBody,
    Stream,
    client_limits,
)
from corn_gthread.driver import ThreadedDriver
from corn_gthread.worker import ThreadWorker


class Answer(Stream):
    """One of the requests of a connection; its response leaves when it is complete."""

    __slots__ = ("lines", "number", "sent")

    def __init__(self, lines: Lines, number: bytes) -> None:
        super().__init__(lines.listener, lines.peer, lines.channel.sock)
        self.lines = lines
        self.number = number
        self.sent = b""

    def send(self, data: bytes | memoryview) -> None:
        self.sent += data

    def finish(self, keep: bool) -> None:
        self.lines.answered(self.number, self.sent)

    def close(self) -> None:
        self.lines.close()


class Lines:
    """Goes on with the client of a connection; under the driver in its place."""

    def __init__(self, connection: Connection, early: bytes) -> None:
        self.listener, self.peer = connection.listener, connection.peer
        self.channel, self.driver = connection.channel, connection.driver
        self.peer_host, self.fd = connection.peer_host, connection.fd
        self.deadline = FOREVER
        self.received = early
        self.asked = 0
        self.interest = 0

    @property
    def idle(self) -> bool:
        return not self.asked

    def start(self) -> None:
        self.driver.set_interest(self, READABLE)
        self.interest = READABLE
        self.go_on()

    def on_event(self, mask: int) -> None:
        data = self.channel.recv(65536, DONTWAIT)
        if data:
            self.received += data
            self.go_on()
        else:
            self.close()

    def go_on(self) -> None:
        line, newline, rest = self.received.partition(b"\n")
        if not newline or not self.interest:
            return
        self.received = rest
        if b"\n" in rest:
            self.driver.postpone(self)
        self.asked += 1
        number, target = line.split()
        body = RequestBody(None, 0)
        body.finish()
        # Last, because the driver may leave from it when another thread has taken its loop over.
        self.driver.dispatch(Answer(self, number), self.request(target), body)

    def request(self, target: bytes) -> Request:
        parser = RequestParser(self.driver.limits.http)
        parser.feed(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target)
        request = parser.next_request()
        assert request is not None
        return request

    def answered(self, number: bytes, response: bytes) -> None:
        self.asked -= 1
        if self.interest:
            self.channel.send(b"%b %d\n%b" % (number, len(response), response), DONTWAIT)

    def expire(self) -> None:
        self.close()

    def close(self) -> None:
        if self.interest:
            self.interest = 0
            self.driver.forget(self)
            self.channel.sock.close()


class LinesDriver(ThreadedDriver):
    """Switches with the first request of a connection, as with ``Upgrade``."""

    def dispatch(self, connection: Stream, request: Request, body: RequestBody) -> None:
        if isinstance(connection, Connection):
            connection.switch(Lines)
        else:
            super().dispatch(connection, request, body)


class LinesWorker(ThreadWorker):
    def run(self) -> None:
        LinesDriver(self, client_limits(self.cfg, self.cfg.keepalive), self.cfg.threads).run()
