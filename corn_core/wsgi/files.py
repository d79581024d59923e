"""The file wrapper and the error stream, which WSGI puts into an environ."""

from __future__ import annotations

import io
import os
import stat
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from corn_core.interfaces import Logger
from corn_core.setting import Setting, boolean

BLOCK_SIZE = 64 * 1024
"""Bytes read at a time from a file that cannot be sent with sendfile."""

_KEPT = 64 * 1024
"""Characters written to ``wsgi.errors`` that are kept for a flush."""


def _sendfile(raw: object) -> bool:
    """Accept ``None`` too, which is the default in Gunicorn's configurations."""
    return raw is None or boolean(raw)


SETTINGS = (
    Setting(
        name="sendfile",
        section="Server Mechanics",
        parse=_sendfile,
        default=True,
        help=(
            "Send files that an application returns through wsgi.file_wrapper with sendfile(2),"
            " so that their contents do not pass through the worker's memory. Turn it off"
            " (--no-sendfile) where the file system does not support it well, such as some"
            " network mounts. The environment variable SENDFILE turns it on with y, yes, 1 or"
            " true, and off with anything else."
        ),
        flags=("--no-sendfile",),
        action="store_false",
        env="SENDFILE",
        env_value=lambda text: text.strip().lower() in ("y", "yes", "1", "true"),
    ),
)


class RestOfFile(NamedTuple):
    """The part of an open file that has not been read: ``size`` bytes from ``offset``."""

    fd: int
    offset: int
    size: int


class FileWrapper:
    """``wsgi.file_wrapper``: iterates over a file, which the server may also send directly.

    :param filelike: anything with ``read(size)``; it is closed with the response if it has
        a ``close``.
    :param blksize: bytes to read at a time, if it is read.
    """

    def __init__(self, filelike: Any, blksize: int = BLOCK_SIZE) -> None:
        self.filelike = filelike
        self.blksize = blksize

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        data: bytes = self.filelike.read(self.blksize)
        if data:
            return data
        raise StopIteration

    def close(self) -> None:
        """Close the file."""
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()

    def region(self) -> RestOfFile | None:
        """Return the unread part of a regular file, or ``None`` if the file must be read.

        Having a ``fileno`` is not enough: gzip's file returns that of the compressed file below
        it. So only the two types that :func:`open` returns for reading bytes are accepted.
        """
        file = self.filelike
        raw = file.raw if type(file) is io.BufferedReader else file
        if type(raw) is not io.FileIO or not raw.readable():
            return None
        fd = raw.fileno()
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            return None
        offset = file.tell()
        return RestOfFile(fd, offset, max(0, status.st_size - offset))


class ErrorStream:
    """``wsgi.errors``: a text stream into the error log, which does not change the text.

    One stream serves all threads of a worker. What each of them writes is kept apart until it is
    flushed or the request ends, and then goes to the logger as one text: a traceback that is
    printed line by line stays whole, and is one record of a log that has records.

    :ivar pending: the unflushed text, by thread or greenlet; usually empty, which is all that the
        request cycle checks.
    """

    encoding = "utf-8"

    def __init__(self, log: Logger) -> None:
        # A logger that is not derived from the core's may not have it.
        self._log: Callable[[str], object] = getattr(log, "wsgi_errors", None) or partial(
            log.error, "%s"
        )
        # Reentrant, because a signal handler may write while the thread holds the lock.
        self._lock = threading.RLock()
        self._stale: list[int] = []
        self.pending: dict[int, str] = {}

    def write(self, text: str) -> int:
        """Keep text for :meth:`flush`, or log it at once when it is a lot."""
        # Looked up now: with greenlets, the function has been replaced by theirs.
        writer = threading.get_ident()
        with self._lock:
            so_far = self.pending.get(writer, "") + text
            if so_far:
                self.pending[writer] = so_far
        if len(so_far) > _KEPT:
            self._emit(writer)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log what the thread, or greenlet, has written."""
        self._emit(threading.get_ident())

    def flush_stale(self) -> None:
        """Log text that has been waiting since the last call, for code that does not flush.

        A request may last long, and threads of the application's own have no request that ends.
        """
        stale = self._stale
        with self._lock:
            self._stale = list(self.pending)
        for writer in stale:
            self._emit(writer)

    def flush_all(self) -> None:
        """Log everything, at the end of the worker."""
        for writer in list(self.pending):
            self._emit(writer)

    def isatty(self) -> bool:
        return False

    def _emit(self, writer: int) -> None:
        with self._lock:
            text = self.pending.pop(writer, "")
        if text:
            self._log(text)
