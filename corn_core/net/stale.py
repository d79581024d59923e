"""Finds and removes unix sockets that a dead server has left behind."""

from __future__ import annotations

import errno
import os
import socket
import stat

from corn_core.errors import BindError
from corn_core.net.address import UnixAddress


def inode(path: str | None) -> tuple[int, int] | None:
    """Return what identifies the file at a path: device and inode, without following links."""
    if path is None:
        return None
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def remove_stale(address: UnixAddress) -> None:
    """Remove a socket that a dead server left at the path, and nothing else.

    A socket is stale only if connecting to it is refused. Two servers that start at the same
    moment may both find it stale. Comparing inodes just before the unlink keeps the window, in
    which the second server would remove the first one's new socket, as small as it can be.

    :raises BindError: when the path exists and is not a socket.
    :raises OSError: EADDRINUSE when a server answers there.
    """
    path = address.path
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(f"cannot listen on {address}: the path exists and is not a socket")
    found = inode(path)
    if is_answered(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    if inode(path) == found:
        os.unlink(path)


def is_answered(path: str) -> bool:
    """Tell whether a process listens on the socket at a path.

    :raises OSError: when that cannot be found out.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            # Its backlog is full, so a server is listening.
            return True
    return True
