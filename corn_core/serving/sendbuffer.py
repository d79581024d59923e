"""What a client has not taken yet of its response: in memory, then in a temporary file.

The application must not wait for a slow client, because in a sync worker everybody else
would wait with it. Its output is kept here, and the driver sends it as the client reads.
"""

from __future__ import annotations

import os
from collections import deque
from typing import IO

MEMORY_LIMIT = 512 * 1024
"""Bytes kept in memory; what comes after them goes to the file."""

PIECE = 256 * 1024
"""Bytes read back from the file, or handed to sendfile, at a time."""


class FileRegion:
    """A part of an open file, sent with sendfile; owns its descriptor."""

    __slots__ = ("count", "fd", "offset")

    def __init__(self, fd: int, offset: int, count: int) -> None:
        # The application closes its file as soon as the response is produced.
        self.fd = os.dup(fd)
        self.offset = offset
        self.count = count

    def close(self) -> None:
        os.close(self.fd)


class SendBuffer:
    """A queue of bytes and file regions, first in first out.

    :param directory: where the temporary file is made, ``None`` for the system's own.
    """

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._pieces: deque[memoryview | FileRegion] = deque()
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        self._read_at = 0
        self._write_at = 0

    def __bool__(self) -> bool:
        return bool(self._pieces) or self._read_at < self._write_at

    @property
    def size(self) -> int:
        """Bytes kept, in memory and on disk; file regions are the application's own file."""
        return self._in_memory + self._write_at - self._read_at

    def append(self, data: bytes | memoryview) -> None:
        # Once the file holds something, everything after it must go there too, or the
        # order would be lost.
        if self._read_at < self._write_at or self._in_memory + len(data) > MEMORY_LIMIT:
            self._spill(data)
            return
        self._pieces.append(memoryview(data))
        self._in_memory += len(data)

    def append_file(self, fd: int, offset: int, count: int) -> bool:
        """Take a part of a file; False when it must be read instead, to keep the order."""
        if self._read_at < self._write_at:
            return False
        self._pieces.append(FileRegion(fd, offset, count))
        return True

    def head(self) -> memoryview | FileRegion | None:
        """What is to be sent next, ``None`` when nothing is left."""
        if not self._pieces and self._read_at < self._write_at:
            assert self._file is not None
            count = min(PIECE, self._write_at - self._read_at)
            data = os.pread(self._file.fileno(), count, self._read_at)
            # The piece first: another thread that asks meanwhile must not find the box empty.
            self._pieces.append(memoryview(data))
            self._in_memory += len(data)
            self._read_at += len(data)
        return self._pieces[0] if self._pieces else None

    def advance(self, count: int) -> None:
        """Drop the first ``count`` bytes of :meth:`head`, which have been sent."""
        piece = self._pieces[0]
        if isinstance(piece, FileRegion):
            piece.offset += count
            piece.count -= count
            if not piece.count:
                self._pieces.popleft()
                piece.close()
            return
        self._in_memory -= count
        if count == len(piece):
            self._pieces.popleft()
        else:
            self._pieces[0] = piece[count:]

    def close(self) -> None:
        """Drop everything."""
        for piece in self._pieces:
            if isinstance(piece, FileRegion):
                piece.close()
        self._pieces.clear()
        if self._file is not None:
            self._file.close()

    def _spill(self, data: bytes | memoryview) -> None:
        if self._file is None:
            import tempfile  # lazy: only a slow client with a long response needs it

            # It lives as long as the send buffer, longer than a with statement could say.
            self._file = tempfile.TemporaryFile(dir=self._directory, prefix="corn-")  # noqa: SIM115
        if self._read_at == self._write_at:
            # All of it has been read back: begin again, so that a stream that goes on for
            # hours does not grow a file.
            self._read_at = self._write_at = 0
            self._file.truncate(0)
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file.fileno(), view, self._write_at)
            self._write_at += written
            view = view[written:]
