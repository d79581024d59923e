"""``corn.socket``: the client's socket, for an application that speaks another protocol on it.

Every environ has it but hardly any application uses it, so the environ holds a stand-in. On first
use it makes a Python socket over a duplicate of the descriptor. Where a library of greenlets has
patched the ``socket`` module, that is the library's own socket, which lets other greenlets run
while it waits.

The descriptor is duplicated because application and server both close theirs. If they shared one,
the second to close it would close a number that belongs to another client by then.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from threading import Lock
from typing import Any

from corn_core.wsgi.connection import ConnectionInfo

SOCKET_NAMES = ("corn.socket", "gunicorn.socket")
"""The keys under which applications find it in the environ."""

TAKING = frozenset(
    {
        *("send", "sendall", "sendmsg", "sendto", "sendfile", "makefile"),
        *("detach", "dup", "shutdown", "close"),
    }
)
"""The methods that take a connection over: after them the server cannot send a response."""

ASKING = frozenset(
    {
        *("family", "type", "proto", "timeout", "getpeername", "getsockname"),
        *("getsockopt", "gettimeout", "getblocking", "get_inheritable"),
    }
)
"""Attributes that do not count as using the socket. All others do, such as peeking to see whether
the client is still there: after that a response may follow, or none."""

_making = Lock()


class OfferedSocket:
    """Stands for the client's socket in the environ, with the attributes of the real one."""

    __slots__ = ("__weakref__", "_connection", "_socket")

    def __init__(self, connection: ConnectionInfo) -> None:
        self._connection = connection
        self._socket: Any = None

    def __repr__(self) -> str:
        return f"<socket of a client of {self._connection.listener}>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            # Code that asks for these wants to know what this object is, not what it stands for.
            raise AttributeError(name)
        attribute = getattr(self._socket or self._make(), name)
        if name not in ASKING:
            self._connection.touched = True
            self._connection.taken |= name in TAKING
        return attribute

    def __enter__(self) -> OfferedSocket:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get_socket(self) -> OfferedSocket:
        """Return the socket; eventlet's applications ask their ``eventlet.input`` for it."""
        return self

    def _make(self) -> Any:
        with _making:
            if self._socket is None:
                connection = self._connection
                self._socket = make_socket(connection.sock, connection.early())
        return self._socket


def make_socket(sock: socket.SocketType, early: bytes) -> Any:
    """Make another socket for a connection, on which Python code may wait.

    :param early: bytes that were received already; the new socket returns them first.
    """
    fd = os.dup(sock.fileno())
    try:
        # Looked up now and not imported: the module may have been patched since then.
        made = _class_over(socket.socket)(sock.family, sock.type, sock.proto, fileno=fd)
    except BaseException:
        os.close(fd)
        raise
    # sendfile may have left the connection in the other mode, which duplicates share.
    made.setblocking(True)
    made.early = early
    return made


class _Lent:
    """Changes what an application's socket receives first, and how it is closed."""

    early = b""

    def __del__(self) -> None:
        # The server does not close it, because a thread may be about to wait on it. Applications
        # need not close it either, and should not be warned of an unclosed socket.
        self.close()  # type: ignore[attr-defined]  # of the socket class

    def recv(self, bufsize: int, flags: int = 0) -> bytes:
        if not self.early:
            data: bytes = super().recv(bufsize, flags)  # type: ignore[misc]  # see above
            return data
        data = self.early[:bufsize]
        if not flags & socket.MSG_PEEK:
            self.early = self.early[len(data) :]
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        if not self.early:
            count: int = super().recv_into(buffer, nbytes, flags)  # type: ignore[misc]  # see above
            return count
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)


@cache
def _class_over(kind: type) -> Any:
    return type("ClientSocket", (_Lent, kind), {})
