"""The two file-like objects that WSGI puts into an environ besides the body."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import Any, NamedTuple

from corn_core.interfaces import Logger
from corn_core.settings.model import Setting, boolean

BLOCK_SIZE = 64 * 1024
"""Bytes read at a time from a file that cannot be sent with sendfile."""

_LINE_LIMIT = 64 * 1024

SETTINGS = (
    Setting(
        name="sendfile",
        section="Server Mechanics",
        parse=boolean,
        default=True,
        help=(
            "Send files that an application returns through wsgi.file_wrapper with sendfile(2),"
            " or read them (--no-sendfile). With it their contents do not pass through the"
            " worker's memory. Turn it off where the file system does not support it well, such"
            " as some network mounts. The environment variable SENDFILE turns it on with y, yes,"
            " 1 or true, and off with anything else."
        ),
        flags=("--no-sendfile",),
        action="store_false",
        env="SENDFILE",
        env_value=lambda text: text.strip().lower() in ("y", "yes", "1", "true"),
    ),
)


class FileRegion(NamedTuple):
    """The rest of an open file, as the kernel sees it: ``size`` bytes from ``offset``."""

    fd: int
    offset: int
    size: int


class FileWrapper:
    """``wsgi.file_wrapper``: an iterable over a file, which the server may send by itself.

    :param filelike: anything with ``read(size)``; it is closed with the response if it has
        a ``close``.
    :param blksize: bytes to read at a time, when it is read.
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

    def region(self) -> FileRegion | None:
        """What is left of a regular file, or ``None`` when only reading it tells the truth.

        A ``fileno`` proves little: gzip's file has one too, of the compressed file below it. So
        only the two types are taken that :func:`open` gives to somebody who reads bytes.
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
        return FileRegion(fd, offset, max(0, status.st_size - offset))


class ErrorStream:
    """``wsgi.errors``: a text stream whose lines become messages of the error log.

    One stream serves a whole worker, all of its threads.
    """

    encoding = "utf-8"

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._lock = Lock()
        self._rest = ""

    def write(self, text: str) -> int:
        """Log the lines that are complete; the rest waits for its end, or for a flush."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            if len(self._rest) > _LINE_LIMIT:
                lines.append(self._rest)
                self._rest = ""
        self._emit(lines)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log a line that has no end yet."""
        with self._lock:
            rest, self._rest = self._rest, ""
        self._emit([rest] if rest else [])

    def isatty(self) -> bool:
        return False

    def _emit(self, lines: list[str]) -> None:
        for line in lines:
            if line:
                self._log.error("%s", line)
