"""The body of a request: a driver stores it, then the application reads it as ``wsgi.input``."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import Any

from corn_core.errors import BodyNotStored
from corn_core.setting import Expected, Setting, optional

MEMORY_LIMIT = 512 * 1024
"""Bytes of the longest body kept in memory; all of a longer one is in a temporary file."""


def _directory(raw: object) -> str:
    """Parse the path of a writable directory; returns it absolute, because workers may chdir."""
    if isinstance(raw, (str, os.PathLike)):
        path = os.path.abspath(os.path.expanduser(os.fspath(raw)))
        if isinstance(path, str) and os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK):
            return path
    raise Expected("an existing directory that the server may write to")


SETTINGS = (
    Setting(
        name="tmp_upload_dir",
        section="Server Mechanics",
        parse=optional(_directory),
        default=None,
        help=(
            "The directory for request and response bodies that are too long for memory"
            " (512 KiB). The files have no name, so none is left behind. The directory must"
            " exist, and workers must be able to write to it. Without it the system's own"
            " temporary directory is used. If that is kept in memory, large uploads fill it."
        ),
        places=("file",),
        default_text="the system's temporary directory",
    ),
)


class RequestBody:
    """Collects a body until :meth:`finish`; from then on it is ``wsgi.input`` (PEP 3333).

    It ends where the body ends, so that reading without a size is safe
    (``wsgi.input_terminated``).

    :param tmp_dir: where to put a long body, ``None`` for the system's temporary directory.
    :param length: how long it will be; 0 if that is not known. A long one goes to the disk from the
        start. A thousand of them that grow in memory first, side by side, would leave that in
        pieces, which the C library does not give back.
    :ivar size: how many bytes have been added, until it is complete.
    """

    __slots__ = ("_file", "_first", "_room", "_tmp_dir", "size")

    def __init__(self, tmp_dir: str | None, length: int = 0) -> None:
        self._tmp_dir = tmp_dir
        self._file: io.BufferedIOBase | None = None
        # Most bodies come in one piece, which is then kept as it is.
        self._first = b""
        self._room = MEMORY_LIMIT if length <= MEMORY_LIMIT else 0
        self.size = 0

    # -- the driver's side -----------------------------------------------------------

    def append(self, data: bytes) -> None:
        """Add a piece.

        :raises BodyNotStored: when the temporary file cannot be made or written.
        """
        self._room -= len(data)
        self.size += len(data)
        if self._file is None:
            if not self._first and self._room >= 0:
                self._first = data
                return
            self._file = io.BytesIO()
            self._file.write(self._first)
            self._first = b""
        try:
            self._file.write(data)
        except OSError as error:
            raise self._failure(error) from error
        if self._room < 0 and isinstance(self._file, io.BytesIO):
            self._move_to_disk()

    def finish(self, last: bytes = b"") -> None:
        """Add the last piece, and go to the start of the body, which is complete now.

        :raises BodyNotStored: when the last of it cannot be written.
        """
        if self._file is None and not self._first and len(last) <= self._room:
            # All of it in one piece, as most bodies are: it shares the bytes.
            self._file = io.BytesIO(last)
            return
        if last:
            self.append(last)
        if self._file is None:
            # It shares the bytes instead of copying them.
            self._file = io.BytesIO(self._first)
            self._first = b""
            return
        try:
            self._file.seek(0)
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Free the memory or disk space; reading is an error from now on."""
        self._first = b""
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError:
            # Closing flushes what a full disk did not take before. It is not needed any more, and
            # the descriptor is closed all the same.
            return

    def _move_to_disk(self) -> None:
        import tempfile  # lazy: only a long body needs it

        memory = self._file
        assert isinstance(memory, io.BytesIO)
        try:
            # It lives as long as the body, longer than a with statement could say.
            self._file = tempfile.TemporaryFile(dir=self._tmp_dir, prefix="corn-")  # noqa: SIM115
            self._file.write(memory.getbuffer())
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> BodyNotStored:
        place = self._tmp_dir or "the temporary directory"
        return BodyNotStored(f"cannot store the body in {place}: {error.strerror or error}")

    # -- the application's side ------------------------------------------------------

    def _readable(self) -> io.BufferedIOBase:
        assert self._file is not None, "read before the body was complete"
        return self._file

    def read(self, size: int | None = -1, /) -> bytes:
        """Read at most ``size`` bytes, or the rest if it is negative or ``None``."""
        # As in _readable(), which would be one more call for each body.
        assert self._file is not None, "read before the body was complete"
        # A buffered file accepts -1, but no other negative number.
        return self._file.read(-1 if size is None or size < 0 else size)

    def read1(self, size: int = -1, /) -> bytes:
        """Read like :meth:`read`, for applications that wrap the body in a reader."""
        return self._readable().read1(size)

    def readinto(self, buffer: Any, /) -> int:
        """Fill a writable buffer as far as the body goes; returns the number of bytes."""
        return self._readable().readinto(buffer)

    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line with its end, or at most ``size`` bytes of it."""
        return self._readable().readline(-1 if size is None else size)

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """Read the lines that are left, until they have at least ``hint`` bytes in total."""
        if hint is None or hint <= 0:
            return self._readable().readlines()
        # Files in memory and on disk disagree about a hint that is met exactly.
        lines = []
        for line in self:
            lines.append(line)
            hint -= len(line)
            if hint <= 0:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        line = self._readable().readline()
        if line:
            return line
        raise StopIteration


class _EmptyBody(RequestBody):
    """The body of a request without one: complete from the start, and the same after any reading.

    So all requests can share it.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(None)
        super().finish()

    def append(self, data: bytes) -> None:
        raise AssertionError("the shared empty body takes no data")

    def finish(self, last: bytes = b"") -> None:
        """Do nothing: an empty body is complete."""

    def close(self) -> None:
        """Do nothing: an empty body holds no memory."""


_EMPTY = _EmptyBody()


def empty_body() -> RequestBody:
    """Return the body of a request that has none; it is shared, so closing it does nothing."""
    return _EMPTY
