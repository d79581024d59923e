"""Checks descriptors that the process inherited before they are used as listening sockets."""

from __future__ import annotations

import os
import socket
import stat

from corn_core.errors import BindError

_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def listening_socket(fd: int, source: str) -> socket.socket:
    """Return the socket behind a descriptor, closed to programs that this process executes.

    Besides that flag, almost nothing is changed: the program that opened the socket decided how
    it listens, and may still be using it.

    :param source: what to call it in an error message.
    :raises BindError: when it is not open, or is not a listening stream socket. The descriptor
        stays as it is.
    """
    try:
        mode = os.fstat(fd).st_mode
    except OSError as error:
        raise BindError(f"cannot listen on {source}: {error.strerror}; it is not open") from None
    if not stat.S_ISSOCK(mode):
        raise BindError(f"cannot listen on {source}: the descriptor is not a socket")
    sock = socket.socket(fileno=fd)
    fault = _fault(sock)
    if fault:
        sock.detach()  # otherwise the object would close it
        raise BindError(f"cannot listen on {source}: {fault}")
    os.set_inheritable(fd, False)
    if sock.family != socket.AF_UNIX:
        # Accepted sockets inherit it (on Linux), as they do from our own listeners.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _fault(sock: socket.socket) -> str:
    if sock.type != socket.SOCK_STREAM:
        return "it is not a stream socket, which HTTP needs"
    if sock.family not in _FAMILIES:
        return "it is neither an IPv4, an IPv6 nor a unix socket"
    if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        # inetd's "nowait" and systemd's Accept=yes pass connections instead.
        return "the socket does not listen (a systemd socket unit needs Accept=no)"
    return ""
