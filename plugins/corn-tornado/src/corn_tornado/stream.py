"""Tornado streams that tell their connection what happens on the socket.

``read_from_fd``, ``write_to_fd`` and ``close_fd`` are Tornado's extension points for streams.
``write`` is overridden because Tornado's server uses it to answer malformed requests itself,
without the application.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Protocol

from tornado.httputil import HTTPInputError
from tornado.iostream import BaseIOStream, IOStream, SSLIOStream, UnsatisfiableReadError

if TYPE_CHECKING:
    from asyncio import Future

# Exactly what HTTP1Connection writes after an HTTPInputError.
_MALFORMED = b"HTTP/1.1 400 Bad Request\r\n\r\n"


class Watcher(Protocol):
    """The interface through which a stream notifies its connection."""

    def on_received(self) -> None: ...
    def on_sent(self) -> None: ...
    def on_malformed(self, reason: str) -> bytes:
        """Note that Tornado rejects a request; returns what to send instead of its status line."""

    def on_too_long(self) -> None:
        """Note that a head, or the first line of a chunk, does not end, and Tornado will close."""

    def on_closed(self) -> None: ...


class _Watched(BaseIOStream):
    """The additions common to both kinds of stream."""

    watcher: Watcher
    held: bytes = b""
    """Bytes taken from the socket before the stream was made; they are read first."""

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
            # This is called in the handler of the exception.
            error = sys.exception()
            reason = str(error) if isinstance(error, HTTPInputError) else "malformed"
            data = self.watcher.on_malformed(reason)
        elif not self.writing():
            # The time of a client that takes nothing starts here.
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
    """A connection without TLS."""

    def __init__(self, sock: Any, watcher: Watcher, held: bytes) -> None:
        self.watcher = watcher
        self.held = held
        super().__init__(sock)


class SecureStream(_Watched, SSLIOStream):
    """A connection with TLS; Tornado does the handshake without blocking."""

    def __init__(self, sock: Any, watcher: Watcher) -> None:
        self.watcher = watcher
        super().__init__(sock)

    def close_fd(self) -> None:
        try:
            # This sends close_notify, without which the client cannot tell a complete response
            # from a truncated one (RFC 8446 section 6.1). We do not wait for the reply.
            self.socket.unwrap()
        except (OSError, ValueError):
            pass  # the handshake was not completed, or the client is gone
        super().close_fd()
