"""Frames of a WebSocket client, octet by octet, and what the server sends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from corn_testkit.client import Address, read_all

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455 section 1.3."""

Frames = list[tuple[int, bytes]]


def masked(payload: bytes) -> bytes:
    pattern = int.from_bytes((MASK * (len(payload) // 4 + 1))[: len(payload)], "big")
    return (int.from_bytes(payload, "big") ^ pattern).to_bytes(len(payload), "big")


def frame(
    opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0, mask: bool = True
) -> bytes:
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0x80 if mask else 0
    length = len(payload)
    if length < 126:
        head = bytes((first, bit | length))
    elif length < 65536:
        head = bytes((first, bit | 126)) + length.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + length.to_bytes(8, "big")
    return head + MASK + masked(payload) if mask else head + payload


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    return frame(CLOSE, b"" if code is None else code.to_bytes(2, "big") + reason)


def frames_in(data: bytes) -> Frames:
    """Split what a server has sent into its frames, which are whole and not masked."""
    found = []
    while data:
        assert data[0] & 0x30 == 0 and data[0] & 0x80, data[:10]
        opcode, length, at = data[0] & 0x4F, data[1], 2
        if length == 126:
            length, at = int.from_bytes(data[2:4], "big"), 4
        elif length == 127:
            length, at = int.from_bytes(data[2:10], "big"), 10
        assert len(data) >= at + length, f"{len(data) - at} of {length} octets of a frame"
        found.append((opcode, data[at : at + length]))
        data = data[at + length :]
    return found


class FrameStream:
    """Reads the frames that a server sends, one by one.

    :param data: what has been received of them.
    """

    def __init__(self, client: socket.socket, data: bytes = b"") -> None:
        self._client = client
        self._data = data

    def take(self, count: int) -> Frames:
        """Wait for so many frames, and return them."""
        return [frames_in(self._next())[0] for _ in range(count)]

    def rest(self) -> Frames:
        """Return all frames up to the close frame, which is answered, and is the last."""
        frames = self.take(1)
        while frames[-1][0] != CLOSE:
            frames += self.take(1)
        self._client.sendall(frame(CLOSE, frames[-1][1]))
        assert self._data + read_all(self._client) == b"", "there is more after the close frame"
        return frames

    def _next(self) -> bytes:
        self._fill(2)
        size = {126: 4, 127: 10}.get(self._data[1], 2)
        self._fill(size)
        length = int.from_bytes(self._data[2:size], "big") if size > 2 else self._data[1]
        self._fill(size + length)
        whole, self._data = self._data[: size + length], self._data[size + length :]
        return whole

    def _fill(self, count: int) -> None:
        parts, size = [self._data], len(self._data)
        while size < count:
            piece = self._client.recv(65536)
            assert piece, "closed within a frame"
            parts.append(piece)
            size += len(piece)
        self._data = b"".join(parts)


def handshake(path: str = "/echo", *fields: str, key: str = KEY) -> bytes:
    lines = [
        *(f"GET {path} HTTP/1.1", "Host: x", "Upgrade: websocket", "Connection: Upgrade"),
        *(f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", *fields, "", ""),
    ]
    return "\r\n".join(lines).encode()


def read_head(client: socket.socket) -> bytes:
    """Read the head of a response, and nothing of what follows it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        octet = client.recv(1)
        assert octet, f"closed after {head!r}"
        head += octet
    return head


@contextmanager
def opened(address: Address, path: str = "/echo", *fields: str) -> Iterator[socket.socket]:
    """Give a client whose WebSocket is open."""
    with address.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(handshake(path, *fields))
        head = read_head(client)
        assert head.startswith(b"HTTP/1.1 101 "), head
        yield client


@dataclass(frozen=True)
class Case:
    """A case: what the client sends, and the frames that it gets until the server closes.

    :param name: the number in the Autobahn suite.
    :param chop: the octets in each write, 0 for one write.
    :param end: whether the client ends with a close frame, once it has these frames.
    :param racing: whether the server may be at the end of the socket before the application has
        answered what comes first.
    """

    name: str
    sent: tuple[bytes, ...]
    frames: Frames = field(default_factory=list)
    chop: int = 0
    end: bool = True
    racing: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def octets(self) -> bytes:
        """All that is sent, without the close frame at the end."""
        return b"".join(self.sent)

    def pieces(self, chop: int | None = None) -> list[bytes]:
        """Return what is sent, in writes."""
        data = self.octets
        chop = (self.chop if chop is None else chop) or max(1, len(data))
        return [data[at : at + chop] for at in range(0, len(data), chop)]

    def accepts(self, got: Frames) -> bool:
        """Tell whether these are the frames that a client should get."""
        expected = [*self.frames, (CLOSE, b"\x03\xe8")] if self.end else self.frames
        return same(got, expected) or (self.racing and same(got, expected[-1:]))


def failing(
    name: str, *sent: bytes, code: int = 1002, before: Frames | None = None, chop: int = 0
) -> Case:
    """Make a case that the server ends with this code."""
    frames = [*(before or []), (CLOSE, code.to_bytes(2, "big"))]
    return Case(name, sent, frames, chop, end=False, racing=bool(before))


def same(got: Frames, expected: Frames) -> bool:
    """Compare frames; a close frame of the server may say more than its code."""
    return [(op, data[:2] if op == CLOSE else data) for op, data in got] == expected


def run_on(client: socket.socket, case: Case) -> Frames:
    """Send what a case has to send, and return all that comes back."""
    received = b""
    try:
        for piece in case.pieces():
            client.sendall(piece)
        if case.end:
            wanted = sum(len(frame(*each, mask=False)) for each in case.frames)
            while len(received) < wanted and (piece := client.recv(65536)):
                received += piece
            client.sendall(close(1000))
    except ConnectionError:
        pass  # the server knew enough
    return frames_in(received + read_all(client))
