"""Connections that the loop lends to the threads in which the application runs.

Who owns a connection: the loop, until it has read a request whole; then the thread that runs the
application, until it gives the connection back; then the loop again. The thread sends the
response itself, on the socket, so that a response which the client takes at once costs the loop
nothing. There is one exception. What the client does not take is put into the send buffer, and
the loop sends it from there while the application goes on: as long as a connection is in a
thread's hands, the send buffer is filled and emptied under the connection's ``guard``.
"""

from __future__ import annotations

import socket
from _thread import allocate_lock
from typing import TYPE_CHECKING, Any, Protocol

from corn_core.worker import (
    FOREVER,
    READABLE,
    WRITABLE,
    ClientDisconnected,
    Connection,
    Driver,
    Managed,
    Phase,
    deadline_after,
)

if TYPE_CHECKING:
    from corn_core.worker import Listener, PlainChannel


class Lender(Driver, Protocol):
    """A driver that lends connections, as they see it."""

    connections: dict[int, Managed]

    def suspend(self, connection: SharedConnection) -> None:
        """Report no events of a connection that is lent."""

    def flush(self, connection: SharedConnection) -> None:
        """Have the loop send what is in the send buffer of a connection."""


class SharedConnection(Connection):
    """A connection that a thread may have.

    Under TLS it is the thread that encrypts what it sends, and the loop decrypts nothing meanwhile:
    the channel has one owner at a time, as the connection has. What the client does not take waits
    in the send buffer, and the loop encrypts it as it sends it.

    :ivar lent: whether a thread owns it.
    :ivar guard: held for the send buffer, while it is lent.
    :ivar flushing: whether the loop sends what is in the send buffer, while it is lent.
    """

    __slots__ = ("flushing", "guard", "lent")

    driver: Lender

    def __init__(
        self, driver: Lender, listener: Listener, sock: PlainChannel, peer: object
    ) -> None:
        super().__init__(driver, listener, sock, peer)
        self.lent = False
        self.guard: Any = allocate_lock()
        self.flushing = False

    # -- the loop's side ---------------------------------------------------------------

    def set_aside(self) -> None:
        """Give the connection to a thread; it stays in the poller, see ``threaded``."""
        self.lent = True
        self.phase = Phase.AWAY
        self.deadline = FOREVER

    def take_back(self) -> None:
        """Own the connection again; it has to be finished next."""
        self.lent = self.flushing = False

    def on_event(self, mask: int) -> None:
        """Do what the poller says can be done now."""
        if not self.lent:
            super().on_event(mask)
        elif not self.flushing or not self._flush():
            self.suspend()

    def suspend(self) -> None:
        """Hear of no events until the thread has finished; the poller would repeat them."""
        if self.interest:
            self.driver.suspend(self)
            self.interest = 0

    def start_flushing(self) -> None:
        """Send what is in the send buffer as the client takes it."""
        if self.lent:
            self.deadline = deadline_after(self.driver.limits.write_timeout)
            self.set_interest(WRITABLE)

    def _flush(self) -> bool:
        """Send some; False when that has to end."""
        with self.guard:
            try:
                done = self.transmit()
            except ClientDisconnected:
                # The thread finds the same, when it sends.
                self.deadline = FOREVER
                return False
            self.flushing = not done
        self.deadline = FOREVER if done else deadline_after(self.driver.limits.write_timeout)
        if done:
            self.set_interest(READABLE)
        return True

    def expire(self) -> None:
        """End what the deadline, which has passed, was for."""
        if not self.lent:
            super().expire()
            return
        # It cannot be closed, for the thread may be using it; but sending is now an error.
        self.deadline = FOREVER
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the client was faster

    def close(self) -> None:
        """Let go of everything; of a lent connection when it is taken back."""
        if self.lent:
            self.suspend()
            self.expire()
            return
        if not self.interest:
            # It was counted while it was lent, whether or not the poller knew of it.
            self.driver.connections.pop(self.fd, None)
        super().close()

    # -- the thread's side: the sink of the request cycle --------------------------------

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file with sendfile, and keep what the client does not take now."""
        if not self.lent:
            super().send_file(fd, offset, count)
            return
        with self.guard:
            send_buffer = self.own_send_buffer()
            if taken := send_buffer.append_file(fd, offset, count):
                self.transmit()
        if taken:
            self._leave_the_rest()
        else:
            self.send_copy(fd, offset, count)

    def queue(self, data: bytes | memoryview) -> None:
        """Leave to the loop what the client does not take now."""
        if not self.lent:
            super().queue(data)
            return
        while not self._buffer(data):
            # Only this thread waits for the client.
            self.wait_for_client()
        self._leave_the_rest()

    def _buffer(self, data: bytes | memoryview) -> bool:
        with self.guard:
            send_buffer = self.own_send_buffer()
            if send_buffer:
                self.transmit()
            if not self.has_room(len(data)):
                return False
            send_buffer.append(data)
        return True

    def _leave_the_rest(self) -> None:
        """Let the loop send what is left in the send buffer."""
        with self.guard:
            if self.flushing or not self.send_buffer:
                return
            self.flushing = True
        self.driver.flush(self)
