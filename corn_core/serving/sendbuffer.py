"""Keeps what a client has not taken yet of its response: in memory, then in a temporary file.

The application must not wait for a slow client, because in a sync worker all others would wait
with it. Its output is kept here, and the driver sends it as the client reads.
"""

from __future__ import annotations

import os
import select
import socket
from collections import deque
from time import monotonic
from typing import IO, TYPE_CHECKING

from corn_core.errors import ClientDisconnected
from corn_core.net.channel import DONTWAIT, RECEIVE
from corn_core.serving.driver import Stream, deadline_after

if TYPE_CHECKING:
    from corn_core.net.channel import Channel
    from corn_core.serving.driver import Driver

MEMORY_LIMIT = 512 * 1024
"""Bytes kept in memory; what comes after them goes to the file."""

PIECE = 256 * 1024
"""Bytes read back from the file, or handed to sendfile, at a time."""

LINGER_BYTES = 1024 * 1024
"""How many bytes of a client that goes on sending are read after the last response."""

PATIENCE = 1.0
"""Seconds between heartbeats while a client that does not read holds up the worker."""


class FileRegion:
    """A part of an open file, sent with sendfile; it has a descriptor of its own."""

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
        """Add bytes at the end."""
        # Once the file holds something, everything after it must go there too, or the
        # order would be lost.
        if self._read_at < self._write_at or self._in_memory + len(data) > MEMORY_LIMIT:
            self._spill(data)
            return
        self._pieces.append(memoryview(data))
        self._in_memory += len(data)

    def append_file(self, fd: int, offset: int, count: int) -> bool:
        """Add a part of a file. Returns False when it must be read instead, to keep the order."""
        if self._read_at < self._write_at:
            return False
        self._pieces.append(FileRegion(fd, offset, count))
        return True

    def head(self) -> memoryview | FileRegion | None:
        """Return what is to be sent next, or None when nothing is left."""
        if not self._pieces and self._read_at < self._write_at:
            assert self._file is not None
            count = min(PIECE, self._write_at - self._read_at)
            data = os.pread(self._file.fileno(), count, self._read_at)
            # The piece first: another thread that asks meanwhile must not find nothing.
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


class BufferedSink(Stream):
    """Sends responses to one client, and keeps what it does not take at once.

    :ivar channel: carries the bytes: the socket itself, or TLS above it.
    :ivar driver: whose connection it is.
    :ivar fd: the socket's descriptor.
    :ivar send_buffer: what the client has not taken; None until there was something.
    :ivar reset: whether the connection is to end with a reset.
    :ivar lingered: how many bytes were read after the end, and dropped.
    """

    __slots__ = ("channel", "driver", "fd", "lingered", "reset", "send_buffer")

    channel: Channel
    driver: Driver
    fd: int
    lingered: int
    reset: bool
    send_buffer: SendBuffer | None

    def send(self, data: bytes | memoryview) -> None:
        """Send, and keep what the client does not take now.

        :raises ClientDisconnected: when the client is gone.
        """
        if not self.send_buffer:
            size = len(data)
            try:
                sent = self.channel.send(data, DONTWAIT)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise ClientDisconnected(str(error)) from error
            if sent == size:
                return
            data = memoryview(data)[sent:]
        self.queue(data)

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file, without copying it if possible, and keep the rest likewise."""
        if self.own_send_buffer().append_file(fd, offset, count):
            self.transmit()
            return
        # Something before it waits in the temporary file, and it has to queue behind that.
        self.send_copy(fd, offset, count)

    def send_copy(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file by reading it."""
        while count:
            data = os.pread(fd, min(count, PIECE), offset)
            if not data:
                raise ClientDisconnected("the file became shorter while it was sent")
            self.send(data)
            offset += len(data)
            count -= len(data)

    def abort(self) -> None:
        """Let the connection end with a reset, after what has been kept was sent."""
        self.reset = True

    def queue(self, data: bytes | memoryview) -> None:
        """Keep what the client does not take now, up to a limit; then wait for the client.

        A driver whose application may wait, since other requests go on meanwhile, overrides this
        and waits at once.

        :raises ClientDisconnected: when the client is gone, or takes nothing for too long.
        """
        send_buffer = self.own_send_buffer()
        if send_buffer:
            self.transmit()
        while not self.has_room(len(data)):
            self.wait_for_client()
            self.transmit()
        send_buffer.append(data)

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes more may be kept; what is not taken at all always may."""
        if not self.send_buffer:
            return True
        limit = max(self.driver.limits.spool_limit, MEMORY_LIMIT)
        return self.send_buffer.size + size <= limit

    def own_send_buffer(self) -> SendBuffer:
        """Return the send buffer, made when it is first needed; an empty one may have a file."""
        if self.send_buffer is None:
            self.send_buffer = SendBuffer(self.driver.limits.tmp_dir)
        return self.send_buffer

    def transmit(self) -> bool:
        """Send what is kept until the client takes no more. Returns True when nothing is left."""
        assert self.send_buffer is not None
        while (piece := self.send_buffer.head()) is not None:
            try:
                if isinstance(piece, memoryview):
                    sent = self.channel.send(piece, DONTWAIT)
                else:
                    count = min(piece.count, PIECE)
                    sent = self.channel.sendfile(piece.fd, piece.offset, count)
            except BlockingIOError:
                return False
            except OSError as error:
                raise ClientDisconnected(str(error)) from error
            if not sent:
                raise ClientDisconnected("the file became shorter while it was sent")
            self.send_buffer.advance(sent)
        return True

    def wait_for_client(self) -> None:
        """Hold the application until the client reads, because as much as may be kept is kept."""
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        deadline = deadline_after(self.driver.limits.write_timeout)
        while not poll.poll(PATIENCE * 1000):
            # The worker is not stuck, its client is: the master must not kill it.
            self.driver.notify()
            if monotonic() > deadline:
                raise ClientDisconnected("the client reads nothing and the spool is full")

    def half_close(self) -> bool:
        """Close our side, so that the client sees the end. Returns False if it is gone already."""
        self.channel.goodbye()
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def discard_input(self) -> bool:
        """Read what the client still sends, and drop it. Returns False when that is enough."""
        try:
            data = self.sock.recv(RECEIVE, DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        self.lingered += len(data)
        return bool(data) and self.lingered <= LINGER_BYTES

    def end_for_all(self) -> None:
        """End the connection for an application too that took it, and still waits on it perhaps.

        Its call is over, but a thread of its own may be left, with a duplicate of the descriptor.
        """
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the client was faster
