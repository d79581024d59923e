"""One client of the dashboard's listener: gets a page, or events for as long as it reads them."""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic

from corn_core.http import Limits, Request, RequestParser, encode_head
from corn_core.plugin import BadRequest, http_date
from corn_core.typing import Server

LIMITS = Limits(request_line=1024, fields=50, field_size=4096, body=1)
METHODS = ("GET", "HEAD")
PATIENCE = 10.0
"""Seconds that a client has for its request, and for each piece of an answer."""

EVENTS = "/events"

_FIELDS = [
    # Nothing but the page itself, and nothing of it on other sites.
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
        " connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cache-Control", "no-store"),
]


class Viewer:
    """A connection in the master's loop; it never blocks, and holds one event at most.

    :param page: the page, for the path ``/``.
    :param forget: called when this connection is closed.
    :ivar listening: True once it wants events.
    """

    def __init__(
        self, sock: socket.socket, server: Server, page: bytes, forget: Callable[[Viewer], object]
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.listening = False
        self._server = server
        self._page = page
        self._forget = forget
        self._parser = RequestParser(LIMITS)
        self._rest = memoryview(b"")
        self._deadline = monotonic() + PATIENCE
        server.watch(sock, self._on_readable)

    def close(self) -> None:
        self._server.unwatch(self.sock)
        self.sock.close()
        self._forget(self)

    def tend(self, now: float) -> None:
        """Close a client that takes too long."""
        if now >= self._deadline and (self._rest or not self.listening):
            self.close()

    def tell(self, event: bytes) -> None:
        """Send an event, unless an earlier one has not been taken yet."""
        if self.listening and not self._rest:
            self._send(event)

    def _on_readable(self) -> None:
        try:
            data = self.sock.recv(8192)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        if self.listening:
            return  # it has asked for all that there is
        try:
            self._parser.feed(data)
            request = self._parser.next_request()
        except BadRequest as error:
            self._answer(
                None, f"{error.status} {error.reason}", "text/plain", f"{error}\n".encode()
            )
            return
        if request is not None:
            self._respond(request)

    def _respond(self, request: Request) -> None:
        if request.method not in METHODS:
            self._answer(request, "405 Method Not Allowed", "text/plain", b"only GET and HEAD\n")
        elif request.path == "/":
            self._answer(request, "200 OK", "text/html; charset=utf-8", self._page)
        elif request.path == EVENTS and request.method == "GET":
            self.listening = True
            self._send(self._head(request, "200 OK", "text/event-stream", None))
        else:
            self._answer(request, "404 Not Found", "text/plain", b"there are / and /events\n")

    def _answer(self, request: Request | None, status: str, kind: str, body: bytes) -> None:
        head = self._head(request, status, kind, len(body))
        self._send(head if request is not None and request.method == "HEAD" else head + body)

    def _head(self, request: Request | None, status: str, kind: str, length: int | None) -> bytes:
        fields = [("Content-Type", kind), *_FIELDS]
        if status.startswith("405"):
            fields.append(("Allow", ", ".join(METHODS)))
        return encode_head(
            status,
            fields,
            method="GET" if request is None else request.method,
            # An answer to HTTP/1.0 ends with the connection; it is never sent in chunks.
            version=(1, 0),
            keep_alive=False,
            date=http_date(),
            body_length=length,
        ).data

    def _send(self, data: bytes) -> None:
        self._rest = memoryview(data)
        self._deadline = monotonic() + PATIENCE
        self._server.unwatch(self.sock)
        self._server.watch(self.sock, self._on_writable, writable=True)

    def _on_writable(self) -> None:
        try:
            self._rest = self._rest[self.sock.send(self._rest) :]
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if self._rest:
            return
        if not self.listening:
            self.close()
            return
        self._server.unwatch(self.sock)
        self._server.watch(self.sock, self._on_readable)
