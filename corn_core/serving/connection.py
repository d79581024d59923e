"""One client's connection, as a state machine that never blocks.

It reads a request whole, head and body, before it asks its driver to answer it; and it
is the sink that takes the response. A client that sends or reads slowly costs a place in
the poller, not a worker.
"""

from __future__ import annotations

import os
import select
import socket
import struct
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING

from corn_core.errors import BadRequest, ClientDisconnected, RequestTimeout
from corn_core.http import CONTINUE, Request, RequestParser
from corn_core.serving.poller import NOTHING, READABLE, WRITABLE
from corn_core.serving.sendbuffer import MEMORY_LIMIT, PIECE, FileRegion, SendBuffer
from corn_core.wsgi import ConnectionInfo, RequestBody, empty_body

if TYPE_CHECKING:
    from corn_core.net import Listener
    from corn_core.serving.host import Driver

# The socket is created by the C type and left in blocking mode: each call says itself that
# it must not wait. That saves an ioctl and a Python-level constructor for every connection.
DONTWAIT = socket.MSG_DONTWAIT
RECEIVE = 64 * 1024
FOREVER = float("inf")

# How long, and for how many bytes, a connection is read after the last response, so that
# the client sees that response before the reset (RFC 9112 section 9.6).
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024

# How long the worker is held, by a client that does not read, between two signs of life.
PATIENCE = 1.0


def deadline_after(timeout: float) -> float:
    """The moment at which a timeout that begins now ends; 0 never ends."""
    return monotonic() + timeout if timeout else FOREVER


class Phase(Enum):
    """What a connection waits for."""

    HANDSHAKE = auto()
    """the rest of a TLS handshake"""
    IDLE = auto()
    """the first byte of a request"""
    HEAD = auto()
    """the rest of a request's head"""
    BODY = auto()
    """the rest of a request's body"""
    READY = auto()
    """its turn: the next request is in its buffer"""
    AWAY = auto()
    """its driver, which has its request answered elsewhere"""
    FLUSH = auto()
    """the client to take its response"""
    LINGER = auto()
    """the client to close its side, see :meth:`Connection._linger`"""
    CLOSED = auto()


NO_BODY = empty_body()

# The members as globals: to look one up in an Enum takes four times as long.
IDLE, FLUSH, LINGER, READY = Phase.IDLE, Phase.FLUSH, Phase.LINGER, Phase.READY


class Connection(ConnectionInfo):
    """A connection under a :class:`SelectorDriver`; also the sink of its own responses."""

    __slots__ = (
        "body",
        "deadline",
        "driver",
        "fd",
        "keep",
        "linger",
        "lingered",
        "parser",
        "phase",
        "request",
        "reset",
        "send_buffer",
        "watched",
    )

    def __init__(
        self, driver: Driver[Connection], listener: Listener, sock: socket.SocketType, peer: object
    ) -> None:
        super().__init__(listener, peer, sock)
        self.driver = driver
        self.fd = sock.fileno()
        self.parser = RequestParser(driver.limits.http)
        self.request: Request | None = None
        self.body: RequestBody | None = None
        self.send_buffer: SendBuffer | None = None
        self.phase = Phase.IDLE
        self.keep = False
        self.linger = False
        self.reset = False
        self.deadline = FOREVER
        self.watched = 0
        self.lingered = 0

    @property
    def idle(self) -> bool:
        """Whether the client has yet to send the first byte of a request."""
        return self.phase is Phase.IDLE

    # -- reading ---------------------------------------------------------------------

    def start(self) -> None:
        """Read a new connection at once: with a deferred accept its request is here already."""
        self._on_readable()
        # After a first request that was here already, the time for the next one is running.
        # But not while a thread answers it.
        if self.deadline == FOREVER and self.idle:
            self.deadline = deadline_after(self.driver.limits.header_timeout)

    def on_event(self, mask: int) -> None:
        """Do what the poller says can be done now."""
        phase = self.phase
        if phase is FLUSH:
            self._on_writable()
        elif phase is LINGER:
            self._on_lingering()
        elif phase is READY:
            # A client that goes on sending is not read before its last request is answered: its
            # requests would fill the memory.
            self._watch(NOTHING)
        else:
            self._on_readable()

    def go_on(self) -> None:
        """Take the turn that the connection has waited for since it was postponed."""
        if self.phase is READY:
            self.phase = IDLE
            # From now on it is the client that the worker waits for.
            self.deadline = monotonic() + self.driver.limits.keepalive
            self.advance()

    def _on_readable(self) -> None:
        try:
            data = self.sock.recv(RECEIVE, DONTWAIT)
        except BlockingIOError:
            self._watch(READABLE)
            return
        except OSError:
            # A reset counts as the end of the input; what it cut short is reported below.
            data = b""
        if data:
            self.parser.feed(data)
            self.advance()
        else:
            self._on_end_of_input()

    def advance(self) -> None:
        """Go as far as the bytes received so far allow."""
        body = NO_BODY
        try:
            request = self.request
            if request is None:
                request = self.parser.next_request()
                if request is None:
                    self._await_head()
                    return
                if request.has_body:
                    self._expect_body(request)
            if self.body is not None:
                if not self._take_body():
                    return
                body = self.body
                self.request = self.body = None
        except BadRequest as error:
            self.refuse(error)
            return
        self.driver.dispatch(self, request, body)

    def _expect_body(self, request: Request) -> None:
        self.request = request
        self.body = RequestBody(self.driver.limits.tmp_dir)
        self.phase = Phase.BODY
        if request.expect_continue and not self.parser.buffered:
            # RFC 9110 section 10.1.1: no 100 when the body is already on its way.
            self._send_continue()

    def _await_head(self) -> None:
        """Wait for the rest of a head, which has its time from its first byte on."""
        if self.phase is Phase.IDLE and self.parser.mid_head:
            self.phase = Phase.HEAD
            self.deadline = deadline_after(self.driver.limits.header_timeout)
        self._watch(READABLE)

    def _take_body(self) -> bool:
        assert self.body is not None
        while data := self.parser.read_body():
            self.body.append(data)
        if data is None:
            self.body.finish()
            return True
        self.deadline = deadline_after(self.driver.limits.body_timeout)
        self._watch(READABLE)
        return False

    def _send_continue(self) -> None:
        try:
            self.send(CONTINUE)
        except ClientDisconnected:
            # The next read finds the same, and is where it is reported.
            return

    def _on_end_of_input(self) -> None:
        try:
            self.parser.eof()
        except BadRequest as error:
            self.refuse(error)
        else:
            self.close()

    def refuse(self, error: BadRequest) -> None:
        """Answer what cannot be served, and close."""
        request = self.request or self.parser.error_request
        self._drop_request()
        self.driver.cycle.refuse(error, request, self, self)
        self.finish(keep=False, linger=True)

    def expire(self) -> None:
        """The deadline has passed."""
        if self.phase is Phase.BODY:
            self.refuse(RequestTimeout("the client paused for too long within the body"))
        elif self.phase is Phase.HEAD:
            self.refuse(RequestTimeout("the client took too long to send the request's head"))
        else:
            self.close()

    # -- writing: the sink of the request cycle --------------------------------------

    def send(self, data: bytes | memoryview) -> None:
        """Send, and keep what the client does not take now."""
        if not self.send_buffer:
            size = len(data)
            try:
                sent = self.sock.send(data, DONTWAIT)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise ClientDisconnected(str(error)) from error
            if sent == size:
                return
            data = memoryview(data)[sent:]
        self._queue(data)

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file with sendfile, and keep what the client does not take now."""
        if self._own_send_buffer().append_file(fd, offset, count):
            self._transmit()
            return
        # Something before it waits in the temporary file, and it has to queue behind that.
        self._send_copy(fd, offset, count)

    def _send_copy(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file that has to be read for it."""
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

    def _queue(self, data: bytes | memoryview) -> None:
        send_buffer = self._own_send_buffer()
        if send_buffer:
            self._transmit()
        limit = max(self.driver.limits.spool_limit, MEMORY_LIMIT)
        while send_buffer and send_buffer.size + len(data) > limit:
            self._wait_for_client()
            self._transmit()
        send_buffer.append(data)

    def _own_send_buffer(self) -> SendBuffer:
        """Return the send buffer, made when it is first needed; an empty one may have a file."""
        if self.send_buffer is None:
            self.send_buffer = SendBuffer(self.driver.limits.tmp_dir)
        return self.send_buffer

    def _transmit(self) -> bool:
        """Send what is kept until the client takes no more; True when nothing is left."""
        assert self.send_buffer is not None
        while (piece := self.send_buffer.head()) is not None:
            try:
                sent = self._transmit_piece(piece)
            except BlockingIOError:
                return False
            except OSError as error:
                raise ClientDisconnected(str(error)) from error
            self.send_buffer.advance(sent)
        return True

    def _transmit_piece(self, piece: memoryview | FileRegion) -> int:
        if isinstance(piece, memoryview):
            sent: int = self.sock.send(piece, DONTWAIT)
            return sent
        # sendfile has no flag that keeps it from waiting; the socket itself must say so.
        os.set_blocking(self.fd, False)
        sent = os.sendfile(self.fd, piece.fd, piece.offset, min(piece.count, PIECE))
        if not sent:
            raise ClientDisconnected("the file became shorter while it was sent")
        return sent

    def _wait_for_client(self) -> None:
        """Hold the application until the client reads: the spool is full."""
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        deadline = deadline_after(self.driver.limits.write_timeout)
        while not poll.poll(PATIENCE * 1000):
            # The worker is not stuck, its client is: the master must not kill it.
            self.driver.notify()
            if monotonic() > deadline:
                raise ClientDisconnected("the client reads nothing and the spool is full")

    def _on_writable(self) -> None:
        try:
            done = self._transmit()
        except ClientDisconnected:
            self.close()
            return
        if done:
            self.finish(self.keep, self.linger)
        else:
            self.deadline = deadline_after(self.driver.limits.write_timeout)

    # -- after a response ------------------------------------------------------------

    def finish(self, keep: bool, linger: bool = False) -> None:
        """The response is produced: flush it, then go on to the next request or close."""
        if self.send_buffer:
            self.keep, self.linger = keep, linger
            self.phase = Phase.FLUSH
            self.deadline = deadline_after(self.driver.limits.write_timeout)
            self._watch(WRITABLE)
        elif keep:
            self._next_request()
        elif (linger or self.parser.buffered or self.taken) and not self.reset:
            self._linger()
        else:
            self.close()

    def _next_request(self) -> None:
        if self.parser.buffered:
            # Pipelined. It takes its turn after the others that are ready.
            self.phase = READY
            self.deadline = FOREVER
            self.driver.postpone(self)
            return
        self.phase = IDLE
        # Not 0, for then no connection is kept.
        self.deadline = monotonic() + self.driver.limits.keepalive
        if self.watched != READABLE:
            self._watch(READABLE)

    def _linger(self) -> None:
        """Close our side, and read until the client closes its own.

        Closing a socket with unread input sends a reset, which may destroy the response
        before the client has read it.
        """
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            # The client was faster, or is gone: nothing is left to protect.
            self.close()
            return
        self.phase = Phase.LINGER
        self.deadline = monotonic() + LINGER_SECONDS
        self._watch(READABLE)

    def _on_lingering(self) -> None:
        try:
            data = self.sock.recv(RECEIVE, DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.lingered += len(data)
        if not data or self.lingered > LINGER_BYTES:
            self.close()

    def close(self) -> None:
        """Let go of everything."""
        self.phase = Phase.CLOSED
        if self.watched:
            self.driver.forget(self)
            self.watched = 0
        self._drop_request()
        if self.send_buffer is not None:
            self.send_buffer.close()
        if self.reset:
            # On, for 0 seconds: close(2) then resets the connection (POSIX, SO_LINGER).
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.taken:
            self._end_for_all()
        # The socket in it refers to the connection.
        self.variables = None
        self.sock.close()

    def _end_for_all(self) -> None:
        """End the connection for an application too that took it, and still waits on it perhaps.

        Its call is over, but a thread of its own may be left, with a duplicate of the descriptor.
        """
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the client was faster

    def early(self) -> bytes:
        """Return what has been received and is not of the present request."""
        rest = self.parser.unread()
        # It stays here too: an application that only looks at its client does not take it away.
        self.parser.feed(rest)
        return rest

    def _drop_request(self) -> None:
        self.request = None
        if self.body is not None:
            self.body.close()
            self.body = None

    def _watch(self, mask: int) -> None:
        if self.watched != mask:
            self.driver.watch(self, mask)
            self.watched = mask
