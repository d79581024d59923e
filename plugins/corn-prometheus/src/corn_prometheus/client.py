"""One client of the metrics listener: reads a request, answers it and closes."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import NamedTuple

from corn_core.http import Limits, Request, RequestParser, encode_head
from corn_core.plugin import BadRequest, http_date
from corn_core.typing import Server

LIMITS = Limits(request_line=1024, fields=50, field_size=4096, body=1)
METHODS = ("GET", "HEAD")


class Answer(NamedTuple):
    """A response; its status includes the reason."""

    status: str
    content_type: str
    body: bytes


class Client:
    """A connection in the master's loop; it never blocks.

    :param server: the master.
    :param answer: returns the answer for a path and an Accept field.
    :param forget: called when this connection is closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        server: Server,
        answer: Callable[[str, str], Answer],
        forget: Callable[[Client], object],
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._server = server
        self._answer = answer
        self._forget = forget
        self._parser = RequestParser(LIMITS)
        self._rest = memoryview(b"")

    def start(self) -> None:
        """Wait for the request."""
        self._server.watch(self.sock, self._on_readable)

    def close(self) -> None:
        self._server.unwatch(self.sock)
        self.sock.close()
        self._forget(self)

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
        try:
            self._parser.feed(data)
            request = self._parser.next_request()
        except BadRequest as error:
            body = f"{error}\n".encode()
            self._send(None, Answer(f"{error.status} {error.reason}", "text/plain", body))
            return
        if request is not None:
            self._send(request, self._respond(request))

    def _respond(self, request: Request) -> Answer:
        if request.method not in METHODS:
            return Answer("405 Method Not Allowed", "text/plain", b"only GET and HEAD\n")
        return self._answer(request.path, request.fields.get("HTTP_ACCEPT", ""))

    def _send(self, request: Request | None, answer: Answer) -> None:
        fields = [("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        if answer.status.startswith("405"):
            fields.append(("Allow", ", ".join(METHODS)))
        head = encode_head(
            answer.status,
            fields,
            method=request.method if request is not None else "GET",
            version=(1, 1),
            keep_alive=False,
            date=http_date(),
            body_length=len(answer.body),
        )
        self._rest = memoryview(head.data + (answer.body if head.has_body else b""))
        self._server.unwatch(self.sock)
        self._server.watch(self.sock, self._on_writable, writable=True)
        self._on_writable()

    def _on_writable(self) -> None:
        try:
            sent = self.sock.send(self._rest)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._rest = self._rest[sent:]
        if not self._rest:
            self.close()
