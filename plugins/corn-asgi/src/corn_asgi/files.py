"""Files as bodies: ``http.response.pathsend`` and ``http.response.zerocopysend``."""

from __future__ import annotations

import asyncio
import os
import stat
from typing import TYPE_CHECKING, Any

from corn_asgi.messages import BadMessage, Message

if TYPE_CHECKING:
    from corn_asgi.host import Client

PIECE = 256 * 1024
"""Octets that are read, or handed to sendfile, at a time."""


class FilePart:
    """The part of a file that a message names; a context manager, as it may have to open it.

    :ivar fd: the file's descriptor.
    :ivar offset: where the part begins.
    :ivar count: how many octets it has.
    :raises BadMessage: when the message names none.
    """

    def __init__(self, message: Message) -> None:
        self._own = message["type"] == "http.response.pathsend"
        if self._own:
            path = message.get("path")
            if not isinstance(path, str) or not os.path.isabs(path):
                raise BadMessage(f"'path' of {message['type']} must be absolute, not {path!r}")
            # Without O_NONBLOCK, to open a FIFO would hold the whole loop until it has a writer.
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        else:
            self.fd = _descriptor(message.get("file"))
        try:
            self.offset, self.count = self._region(message)
        except BaseException:
            self.__exit__()
            raise

    def _region(self, message: Message) -> tuple[int, int]:
        """Return where the part begins, and how many octets it has."""
        status = os.fstat(self.fd)
        if not stat.S_ISREG(status.st_mode):
            raise BadMessage(f"what {message['type']} names must be a regular file")
        if self._own:
            return 0, status.st_size
        offset = _number(message, "offset", lambda: os.lseek(self.fd, 0, os.SEEK_CUR))
        left = max(0, status.st_size - offset)
        return offset, min(left, _number(message, "count", lambda: left))

    def __enter__(self) -> FilePart:
        return self

    def __exit__(self, *_: object) -> None:
        if self._own:
            os.close(self.fd)


def _descriptor(file: Any) -> int:
    if isinstance(file, int) and not isinstance(file, bool):
        return file
    fileno = getattr(file, "fileno", None)
    if fileno is None:
        raise BadMessage("'file' of http.response.zerocopysend must be an open file")
    return int(fileno())


def _number(message: Message, key: str, default: Any) -> int:
    value = message.get(key)
    if value is None:
        return int(default())
    if not isinstance(value, int) or value < 0:
        raise BadMessage(f"{key!r} of {message['type']} must be a number, 0 or more")
    return value


async def send_file(connection: Client, part: FilePart, count: int, plain: bool) -> None:
    """Send a part of a file, as fast as the client takes it.

    :param plain: whether the kernel may do it (sendfile): not so with TLS.
    """
    if plain:
        await _flush(connection)
        offset, count = await _send_directly(connection, part, count)
    else:
        offset = part.offset
    while count and not connection.transport.is_closing():
        data = os.pread(part.fd, min(count, PIECE), offset)
        if not data:
            raise OSError("the file became shorter while it was sent")
        connection.write(data)
        offset += len(data)
        count -= len(data)
        if connection.write_paused:
            await connection.drained()


async def _flush(connection: Client) -> None:
    """Wait until the transport holds nothing back, because sendfile goes past it."""
    transport = connection.transport
    transport.set_write_buffer_limits(0)  # which calls pause_writing(), unless it is empty
    while connection.write_paused and not transport.is_closing():
        await connection.drained()
    transport.set_write_buffer_limits()


async def _send_directly(connection: Client, part: FilePart, count: int) -> tuple[int, int]:
    """Have the kernel send it; returns where it stopped and what is left, for a socket it cannot
    serve."""
    offset, loop = part.offset, connection.host.loop
    # The loop does not let others wait for the descriptor of a transport, but for a copy.
    sock = os.dup(connection.extra("socket").fileno())
    try:
        while count and not connection.transport.is_closing():
            try:
                sent = os.sendfile(sock, part.fd, offset, min(count, PIECE))
            except BlockingIOError:
                await _writable(connection, loop, sock)
                continue
            except ConnectionError:
                connection.transport.abort()
                break
            if not sent:
                break  # the file became shorter, as the caller will find out
            offset += sent
            count -= sent
            # Others in the loop have their turn, however fast the client reads.
            await asyncio.sleep(0)
    finally:
        os.close(sock)
    return offset, count


async def _writable(connection: Client, loop: asyncio.AbstractEventLoop, sock: int) -> None:
    connection.pause_writing()  # from now on write_timeout runs
    loop.add_writer(sock, connection.resume_writing)
    try:
        await connection.drained()
    finally:
        loop.remove_writer(sock)
