"""Streams of Tornado that tell their connection what happens on the socket.

``read_from_fd``, ``write_to_fd`` and ``close_fd`` are where Tornado lets a stream be extended;
``write`` is where its server answers, past its application, what it cannot read.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from tornado.httputil import HTTPInputError
from tornado.iostream import BaseIOStream, IOStream, SSLIOStream, UnsatisfiableReadError

if TYPE_CHECKING:
    from asyncio import Future

# What HTTP1Connection writes, and nothing else, when it has met an HTTPInputError.
_MALFORMED = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class Watcher(Protocol):
    """What a stream tells its connection."""

    def on_received(self) -> None: ...
    def on_sent(self) -> None: ...
    def on_malformed(self, reason: str) -> bytes:
        """Tornado gives a request up; returns what to send instead of its bare status line."""

    def on_too_long(self) -> None:
        """Tornado has found no end of a head, or of a chunk's first line, and is to close."""

    def on_closed(self) -> None: ...


class _Watched(BaseIOStream):
    """What both kinds of stream add."""

    watcher: Watcher
    held: bytes = b""
    """What has been taken from the socket before the stream was made; it is read first."""

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        if self.held:
            count: int | None = min(len(buf), len(self.held))
            buf[:count], self.held = self.held[:count], self.held[count:]
        else:
            count = super().read_from_fd(buf)
        if count:
            self.watcher.on_received()
        return count

    def write_to_fd(self, data: memoryview) -> int:
        count = super().write_to_fd(data)
        if count:
            self.watcher.on_sent()
        return count

    def write(self, data: bytes | memoryview) -> Future[None]:
        if data == _MALFORMED:
            # It is called in the handler of the exception.
            error = sys.exception()
            reason = str(error) if isinstance(error, HTTPInputError) else "malformed"
            data = self.watcher.on_malformed(reason)
        elif not self.writing():
            # A client that takes nothing is timed from here.
            self.watcher.on_sent()
        return super().write(data)

    def close(self, exc_info: Any = False) -> None:
        if isinstance(exc_info, UnsatisfiableReadError) and not self.closed():
            self.watcher.on_too_long()
        super().close(exc_info)

    def close_fd(self) -> None:
        super().close_fd()
        self.watcher.on_closed()


class PlainStream(_Watched, IOStream):
    """A connection in clear."""

    def __init__(self, sock: Any, watcher: Watcher, held: bytes) -> None:
        self.watcher = watcher
        self.held = held
        super().__init__(sock)


class SecureStream(_Watched, SSLIOStream):
    """A connection with TLS; the handshake is done by Tornado, without waiting."""

    def __init__(self, sock: Any, watcher: Watcher) -> None:
        self.watcher = watcher
        super().__init__(sock)

    def close_fd(self) -> None:
        try:
            # Sends close_notify, without which the client cannot tell a whole response from one
            # that was cut short (RFC 8446 section 6.1); the answer to it is not waited for.
            self.socket.unwrap()
        except (OSError, ValueError):
            pass  # there has been no handshake, or the client is gone
        super().close_fd()
