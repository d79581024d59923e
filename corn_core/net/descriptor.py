"""Descriptors that the process was started with, and whether one can be listened on."""

from __future__ import annotations

import os
import socket
import stat

from corn_core.errors import BindError

_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def listening_socket(fd: int, source: str) -> socket.socket:
    """The socket that a descriptor is, which now belongs to this process alone.

    Beyond the flag that keeps it from programs that are executed, little is changed: how it
    listens is the affair of whoever opened it, and may go on using it.

    :param source: how to call it in the error's text.
    :raises BindError: when it is not open, or no stream socket that listens. The descriptor
        stays as it is.
    """
    try:
        mode = os.fstat(fd).st_mode
    except OSError as error:
        raise BindError(f"cannot listen on {source}: {error.strerror}; it is not open") from None
    if not stat.S_ISSOCK(mode):
        raise BindError(f"cannot listen on {source}: the descriptor is no socket")
    sock = socket.socket(fileno=fd)
    fault = _fault(sock)
    if fault:
        sock.detach()  # or the object would close it
        raise BindError(f"cannot listen on {source}: {fault}")
    os.set_inheritable(fd, False)
    if sock.family != socket.AF_UNIX:
        # Accepted sockets inherit it (on Linux), as those of our own listeners do.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _fault(sock: socket.socket) -> str:
    if sock.type != socket.SOCK_STREAM:
        return "it is no stream socket, which HTTP needs"
    if sock.family not in _FAMILIES:
        return "it is neither an IPv4, an IPv6 nor a unix socket"
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        # inetd's "nowait" and systemd's Accept=yes pass connections instead.
        return "the socket does not listen (a systemd socket unit needs Accept=no)"
    return ""
