"""A client that shows what the server sent, byte for byte."""

from __future__ import annotations

import http.client
import io
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from corn_testkit.waiting import DEADLINE

TIMEOUT = DEADLINE
"""Seconds that a client waits for bytes before it gives up with an error."""


@dataclass(frozen=True)
class Reply:
    """A response: its status, its fields in order, its body without transfer coding."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Return the values of all fields of this name."""
        return [value for field, value in self.headers if field.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """Return the value of the only field of this name, or None."""
        values = self.all(name)
        assert len(values) < 2, f"{name} is repeated: {values}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass(frozen=True)
class Address:
    """The address of a server, as its log names it."""

    url: str

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self, timeout: float = TIMEOUT) -> socket.socket:
        if self.url.startswith("unix:"):
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(timeout)
            try:
                path = self.url.removeprefix("unix:")
                client.connect("\0" + path[1:] if path.startswith("@") else path)
            except OSError:
                client.close()
                raise
            return client
        host, _, port = self.url.partition("://")[2].rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), timeout=timeout)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", timeout=TIMEOUT)
        connection.sock = self.connect()
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            return reply_of(connection.getresponse())
        finally:
            connection.close()

    def raw(self, data: bytes) -> bytes:
        """Send these bytes and return all that comes back, see :func:`read_all`."""
        with self.connect() as client:
            client.sendall(data)
            return read_all(client)


def get(path: str, *fields: str, version: str = "1.1") -> bytes:
    """Write a request without a body, with these fields beside Host."""
    return "\r\n".join([f"GET {path} HTTP/{version}", "Host: x", *fields, "", ""]).encode()


def post(path: str, body: bytes, *fields: str) -> bytes:
    """Write a request with a body of known length."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


def listens(address: Address) -> bool:
    """Tell whether a server takes connections at an address."""
    try:
        address.connect().close()
    except OSError:
        # Between its binding and its listening, the socket's file is there already.
        return False
    return True


def receive_until(client: socket.socket, end: bytes) -> bytes:
    """Read what the server sends up to these bytes, which must be the last it has sent."""
    received = b""
    while not received.endswith(end):
        piece = client.recv(65536)
        assert piece, f"closed after {received!r}"
        received += piece
    return received


def read_all(client: socket.socket) -> bytes:
    """Read what the server sends until it closes; a reset after some bytes counts as closing."""
    received = bytearray()
    try:
        while piece := client.recv(65536):
            received += piece
    except ConnectionResetError:
        assert received, "the connection was reset without a response"
    return bytes(received)


def reply_of(response: http.client.HTTPResponse) -> Reply:
    body = response.read()
    return Reply(response.status, response.reason, response.getheaders(), body)


def read_reply(client: socket.socket, method: str = "GET") -> Reply:
    """Read one response, on a connection that may be used further; not for pipelined ones."""
    response = http.client.HTTPResponse(client, method=method)
    response.begin()
    return reply_of(response)


def parse(data: bytes, method: str = "GET") -> Reply:
    """Parse the only response in these bytes."""
    assert data, "the connection was closed without a response"
    return parse_all(data, method)[0]


def parse_all(data: bytes, method: str = "GET") -> list[Reply]:
    """Parse the responses in these bytes, and leave out the interim ones."""
    stream = io.BytesIO(data)
    replies = []
    while stream.tell() < len(data):
        response = http.client.HTTPResponse(_Stream(stream), method=method)  # type: ignore[arg-type]
        response.begin()
        replies.append(reply_of(response))
    return replies


class _Stream:
    """The part of a socket that HTTPResponse uses."""

    def __init__(self, stream: io.BytesIO) -> None:
        self.stream = stream

    def makefile(self, *_: Any) -> Any:
        return _Unclosed(self.stream)


class _Unclosed(io.RawIOBase):
    """A view of a stream that outlives the response that closes it."""

    def __init__(self, stream: io.BytesIO) -> None:
        self.stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.stream.readinto(buffer)

    def readline(self, size: int | None = -1) -> bytes:
        return self.stream.readline(-1 if size is None else size)

    def read(self, size: int | None = -1) -> bytes:
        return self.stream.read(size)
