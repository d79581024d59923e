"""Writes the pidfile, by which scripts and supervisors find the master.

A file that was left behind may name any process by now: process ids are used again, and in a
container they are the same few each time. So the master keeps a lock on its file (flock(2)) for as
long as it lives. If the process that a file names runs but the file is not locked, the number has
become another process's. The lock belongs to the open file and not to its name, so the file can be
renamed.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

# Taken now: a worker class may replace what the module has when an application is preloaded.
from time import sleep

from corn_core.errors import ConfigError
from corn_core.setting import Setting, one_of, optional, string

SETTINGS = (
    Setting(
        name="pidfile",
        section="Server Mechanics",
        parse=optional(string),
        default=None,
        help=(
            "The file to write the master's process id to. Without it no file is written. The"
            " server does not start when the file is that of a running master, which keeps a"
            " lock on it, and takes over any other. On a file system without locks, the server"
            " does not start when there is a process of that number."
        ),
        flags=("-p", "--pid"),
        metavar="FILE",
    ),
    Setting(
        name="pidfile_scheme",
        section="Server Mechanics",
        parse=one_of("new", "oldbin"),
        default="new",
        help=(
            "Which pidfile has another name during an upgrade (the signal USR2). new: the new"
            " master's is FILE.2, and replaces FILE when the old master has gone. oldbin: the"
            " old master moves its own to FILE.oldbin, and back if the new one goes first."
        ),
        flags=("--pidfile-scheme",),
        metavar="SCHEME",
    ),
)

LOCK_TRIES = 100
LOCK_PAUSE = 0.02
"""Seconds between tries. Two seconds in all: others hold the lock for less than a millisecond."""


class Pidfile:
    """A file with the process id of the process that created it, and a line feed."""

    def __init__(self, path: str) -> None:
        # Absolute, because the process may change its directory before it removes the file.
        self.path = os.path.abspath(path)
        self.pid = 0
        self._lock = -1

    def create(self) -> None:
        """Write the file, for this process.

        :raises ConfigError: when it names another process that is running, when it is
            something else than a pidfile, or when it cannot be written.
        """
        self.pid = os.getpid()
        with _alone_in(os.path.dirname(self.path)):
            self._refuse_another(self.path)
            self._write(self.path)

    def rename(self, path: str, instead_of: int = 0) -> None:
        """Move to another path, on the same terms as :meth:`create`.

        :param instead_of: the process whose file may be there. It has ended, but until its parent
            has asked how, the system still has its number.
        """
        path = os.path.abspath(path)
        with _alone_in(os.path.dirname(path)):
            self._refuse_another(path, instead_of)
            # First there, then away from here: at no moment is there no pidfile.
            self._write(path)
        if path != self.path:
            self._remove()
            self.path = path

    def leave_to(self, heir: int, path: str) -> None:
        """Let the pidfile of another process take the place of this one, if it is at ``path``."""
        if names(self.path, self.pid) and self.pid == os.getpid() and names(path, heir):
            try:
                os.rename(path, self.path)
            except OSError:
                return  # the heir does it itself, a moment later

    def unlink(self) -> None:
        """Remove the file, if this process wrote it and it still says so."""
        # A forked child has a copy of this object, and must not take the master's file away.
        if self.pid == os.getpid():
            self._remove()
            self.release()

    def release(self) -> None:
        """Let go of the lock; in a worker, of its copy, so that the lock ends with the master."""
        if self._lock != -1:
            os.close(self._lock)
            self._lock = -1

    def _remove(self) -> None:
        try:
            if _read(self.path) == str(self.pid):
                os.unlink(self.path)
        except OSError:
            # Gone, or out of reach by now: there is nothing left that we could remove.
            return

    def _refuse_another(self, path: str, instead_of: int = 0) -> None:
        try:
            text = _read(path)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise ConfigError(f"pidfile: cannot read {path!r}: {error}") from None
        if text and not text.isdigit():
            # Perhaps -p was given the wrong file; it would be overwritten.
            raise ConfigError(f"pidfile: {path!r} exists and holds no process id; remove it first")
        if not text or int(text) in (os.getpid(), instead_of):
            return
        if _is_running(int(text)) and _may_be_held(path):
            raise ConfigError(
                f"pidfile: {path!r} names process {text}, which is running;"
                " stop it, or give this server another pidfile"
            )

    def _write(self, path: str) -> None:
        # Renamed into place, so that an empty or half-written file is never read.
        temporary = f"{path}.{self.pid}.tmp"
        try:
            fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            try:
                os.fchmod(fd, 0o644)  # whatever the umask says: monitors of other users read it
                os.write(fd, f"{self.pid}\n".encode())
                _lock(fd)
                os.rename(temporary, path)
            except OSError:
                os.close(fd)
                raise
        except FileNotFoundError:
            directory = os.path.dirname(path)
            raise ConfigError(
                f"pidfile: cannot write {path!r}: the directory {directory!r} does not exist"
            ) from None
        except OSError as error:
            raise ConfigError(f"pidfile: cannot write {path!r}: {error.strerror}") from None
        self.release()
        self._lock = fd


def _lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return  # a file system without locks, where _may_be_held() meets the same


def _may_be_held(path: str) -> bool:
    """Tell whether a master keeps its lock on a file, or there is no way to know."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Shared: two servers that look at the same time must not take each other for it.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(fd)
    except OSError:
        return True
    return False


@contextmanager
def _alone_in(directory: str) -> Iterator[None]:
    """Keep other servers from their pidfiles of this directory for a moment.

    Two that start at once would both find the path free, or stale, and the second to write
    would take it from the first. The lock is on the directory, and so leaves nothing behind.
    """
    try:
        fd = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        # We may write in it and not read it; or there is no such directory, as we will see.
        yield
        return
    try:
        for _ in range(LOCK_TRIES):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # A user who may read the directory may lock it too, and for as long as he likes;
                # that must not keep a server from starting.
                sleep(LOCK_PAUSE)
            except OSError:
                break  # a file system without locks
        yield
    finally:
        os.close(fd)


def names(path: str, pid: int) -> bool:
    """Tell whether there is a pidfile at a path that names a certain process."""
    try:
        return _read(path) == str(pid)
    except (OSError, ValueError):
        return False


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read(64).strip()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it runs as another user
    except OverflowError:
        return False  # no system has such a process
    return pid != 0
