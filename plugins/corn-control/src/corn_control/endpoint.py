"""The path and the socket that commands come in by.

A process that may write to the path may control the server, so the mode is 0600 before the socket
listens.
"""

from __future__ import annotations

import errno
import os
import socket
import stat

from corn_core.plugin import BindError

BACKLOG = 16

SUCCESSOR = ".2"
"""The end of the path of a master that is to replace another, as in its pidfile's."""


class Endpoint:
    """A listening unix socket at a path.

    It is bound under another name and renamed, so that there is never a path without a socket
    that answers, and the path of a server that was killed is replaced.

    :raises BindError: when the path cannot be used, or another server answers there.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        refuse_taken(self.path)
        passing = f"{self.path}.{os.getpid()}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.setblocking(False)
            before = os.umask(0o177)
            try:
                self.socket.bind(passing)
            finally:
                os.umask(before)
            self._inode = _inode(passing)
            self.socket.listen(BACKLOG)
            os.rename(passing, self.path)
        except OSError as error:
            self.socket.close()
            if os.path.lexists(passing):
                os.unlink(passing)
            raise BindError(f"control: cannot listen on {path}: {_reason(error)}") from None

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def ours(self) -> bool:
        """True if the path leads to this socket."""
        return self._inode == _inode(self.path)

    def move(self, path: str) -> None:
        """Answer at another path from now on, in the place of what is there.

        The other master may have moved it already.
        """
        if self.ours:
            hand_over(self.path, path)
        self.path = path

    def close(self) -> None:
        """Stop listening, and remove the path unless another socket has taken it."""
        if self.ours:
            os.unlink(self.path)
        self.socket.close()


def refuse_taken(path: str) -> None:
    """Make sure that a path may be replaced: nothing is there, or a socket that does not answer.

    :raises BindError: when it may not.
    """
    try:
        there = os.lstat(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BindError(f"control: cannot listen on {path}: {error.strerror}") from None
    if not stat.S_ISSOCK(there.st_mode):
        raise BindError(f"control: cannot listen on {path}: it exists and is not a socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # It must not wait: the queue of a server that hangs may be full.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except OSError as error:
            if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
                return
            if error.errno not in (errno.EAGAIN, errno.EINPROGRESS):
                raise BindError(f"control: cannot listen on {path}: {error.strerror}") from None
    raise BindError(f"control: cannot listen on {path}: another server answers there")


def hand_over(path: str, to: str) -> None:
    """Let the socket at one path answer at another one, without a moment in between."""
    try:
        os.rename(path, to)
    except FileNotFoundError:
        return  # its server has moved it by itself, or does not have one


def _inode(path: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
