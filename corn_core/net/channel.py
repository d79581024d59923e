"""Channels: what carries the bytes of one connection, in the clear or under TLS.

A channel has the methods of a socket that never waits. The plain one *is* a socket, so that a
connection in the clear pays nothing for the choice; ``tlschannel`` has the other one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import Any, Protocol

from corn_core.errors import BadRequest

DONTWAIT = socket.MSG_DONTWAIT
"""The flag for :meth:`Channel.recv` and :meth:`Channel.send`. The socket stays in blocking mode and
each call says that it must not wait, which saves a system call for every connection."""

RECEIVE = 64 * 1024
"""Bytes to receive at a time."""


class ChannelFailed(Exception):
    """Raised when a channel cannot go on, because the peer has broken its protocol."""


class PlainRequest(BadRequest):
    """A request that was not encrypted, though it should have been.

    :ivar data: what has been received of it.
    """

    def __init__(self, data: bytes) -> None:
        super().__init__("a plain HTTP request was sent to a port that speaks HTTPS")
        self.data = data


class Channel(Protocol):
    """Carries the bytes of one connection between its socket and the code that speaks a protocol.

    No method waits. The user of a channel asks a poller about ``sock``: for readability, and for
    writability too while ``pending`` is true.

    :ivar sock: the connected socket; poll its descriptor, and close it in the end.
    :ivar encrypted: whether the bytes are protected on their way.
    :ivar established: whether bytes can be sent and received; if not, call :meth:`handshake`.
    :ivar ended: whether the peer has said that it sends no more. The poller need not show it, since
        the socket below may stay open: once all that was received is used, it is the end.
    :ivar pending: whether the channel has something of its own to send, such as a handshake
        message; call :meth:`flush` when the socket can be written.
    :ivar protocol: the name of the protocol that the client has chosen (ALPN, RFC 7301), empty
        when it has not chosen one; known once ``established``.
    """

    @property
    def sock(self) -> Any: ...
    @property
    def encrypted(self) -> bool: ...
    @property
    def established(self) -> bool: ...
    @property
    def ended(self) -> bool: ...
    @property
    def pending(self) -> bool: ...
    @property
    def protocol(self) -> str: ...

    def handshake(self) -> bool:
        """Go on with the handshake. Returns True when the channel is established.

        :raises ChannelFailed: when it has failed. The reason has been sent to the client.
        :raises PlainRequest: when the client does not speak TLS.
        :raises EOFError: when the client has left.
        """

    def recv(self, size: int, flags: int, /) -> bytes | None:
        """Receive what has arrived; ``b""`` means that the peer sends no more.

        Returns None when bytes have arrived that cannot be read yet, such as half a TLS record. An
        encrypted channel returns everything that can be read, however much that is.

        :param flags: ``DONTWAIT``.
        :raises BlockingIOError: when nothing has arrived.
        :raises EOFError: when the peer has left without the goodbye that it owes.
        :raises ChannelFailed: when the bytes are not what the peer may send.
        """

    def send(self, data: bytes | memoryview, flags: int, /) -> int:
        """Send as much as the peer takes now; returns how many bytes of ``data`` that was.

        What was not taken has to be sent next: begin the next call with the first of those bytes,
        and with no fewer of them. An encrypted channel may have part of them on their way.

        :param flags: ``DONTWAIT``.
        :raises BlockingIOError: when it takes nothing.
        :raises OSError: when the connection is broken.
        """

    def sendfile(self, fd: int, offset: int, count: int, /) -> int:
        """Send a part of a file, as :meth:`send` does; returns 0 at the end of the file."""

    def flush(self) -> None:
        """Send what is ``pending``, as far as the peer takes it. Never raises OSError."""

    def goodbye(self) -> None:
        """Tell the peer that nothing follows, if the protocol has a word for that.

        Say it once, and only after whole messages.
        """

    def variables(self) -> Mapping[str, Any]:
        """Return what the channel adds to the environ of each request."""


class PlainChannel(socket.SocketType):
    """A connection in the clear: the socket itself, whose methods in C do all the work.

    It is made of the C type, because a Python-level socket costs a constructor and a wrapper
    around each method.
    """

    __slots__ = ()

    encrypted = False
    established = True
    ended = False
    pending = False
    protocol = ""

    @property
    def sock(self) -> PlainChannel:
        """The channel itself."""
        return self

    def handshake(self) -> bool:
        """Return True: there is nothing to agree on."""
        return True

    def sendfile(self, fd: int, offset: int, count: int, /) -> int:
        """Send a part of a file without copying it; returns 0 at the end of the file."""
        out = self.fileno()
        # sendfile has no flag that keeps it from waiting; the socket itself must say so.
        os.set_blocking(out, False)
        return os.sendfile(out, fd, offset, count)

    def flush(self) -> None:
        """Do nothing: the socket has nothing of its own to send."""

    def goodbye(self) -> None:
        """Do nothing: without TLS, the end of the stream says it."""

    def variables(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}
