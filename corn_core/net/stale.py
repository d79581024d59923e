"""Unix sockets that a dead server has left behind, and what tells one file from another."""

from __future__ import annotations

import errno
import os
import socket
import stat

from corn_core.errors import BindError
from corn_core.net.address import UnixAddress


def inode(path: str | None) -> tuple[int, int] | None:
    """What identifies the file at a path, itself rather than what it points to."""
    if path is None:
        return None
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def remove_stale(address: UnixAddress) -> None:
    """Remove what a dead server left at the path; leave alone what is anything else.

    Only a socket on which nobody answers is stale. Two servers that start at the same
    moment may both find it so; comparing inodes before unlinking leaves the second one
    the smallest of windows to remove the first one's new socket.
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
    """Whether a process listens on the socket at a path; OSError when that cannot be known."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            # Its backlog is full, so somebody is there.
            return True
    return True
