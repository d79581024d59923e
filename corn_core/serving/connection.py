"""One client's connection, as a state machine that never blocks.

It reads a whole request, head and body, before it asks its driver to answer it, and it is the sink
that takes the response. A client that sends or reads slowly costs a place in the poller, not a
worker. Whether the bytes are encrypted is the business of its channel.
"""

from __future__ import annotations

import socket
import struct
from time import monotonic
from typing import TYPE_CHECKING

from corn_core.errors import BadRequest, ClientDisconnected, RequestTimeout
from corn_core.http import CONTINUE, Request, RequestParser
from corn_core.net.channel import DONTWAIT, RECEIVE, ChannelFailed, PlainRequest
from corn_core.serving.driver import FOREVER, Phase, deadline_after
from corn_core.serving.poller import NOTHING, READABLE, WRITABLE
from corn_core.serving.sendbuffer import BufferedSink
from corn_core.wsgi import RequestBody, empty_body

if TYPE_CHECKING:
    from corn_core.net import Listener
    from corn_core.net.channel import PlainChannel
    from corn_core.serving.driver import Driver, Successor

LINGER_SECONDS = 2.0
"""For how long a connection is read after the last response, so that the client sees that before
the reset (RFC 9112 section 9.6)."""

FIRST = 16 * 1024
"""Bytes to receive at a time where a request begins: enough for its head and a short body, and not
much for the memory when it is the beginning of a long body that has to wait for its turn."""

NO_BODY = empty_body()

# The members as globals: to look one up in an Enum takes four times as long.
IDLE, FLUSH, LINGER, READY = Phase.IDLE, Phase.FLUSH, Phase.LINGER, Phase.READY
HANDSHAKE, BODY, QUEUED = Phase.HANDSHAKE, Phase.BODY, Phase.QUEUED


class Connection(BufferedSink):
    """A connection under a driver, which speaks HTTP/1.1; also the sink of its own responses.

    A driver calls :meth:`start`, :meth:`on_event`, :meth:`go_on`, :meth:`expire`, :meth:`close`
    and, when a request has been answered, :meth:`finish`. A subclass decides what happens to a
    response that the client does not take at once, by overriding :meth:`queue`.

    :ivar phase: what the connection waits for.
    :ivar interest: the events that the driver waits for.
    :ivar deadline: when :meth:`expire` is due.
    :ivar parser: has what was received and is not used yet.
    """

    __slots__ = (*("body", "deadline", "interest", "keep", "linger", "parser", "phase", "request"),)

    def __init__(
        self,
        driver: Driver,
        listener: Listener,
        sock: PlainChannel,
        peer: object,
        encrypted: bool = True,
    ) -> None:
        """Put a connection on a socket that was accepted.

        :param encrypted: False for a client that is to be told something in the clear, although
            the driver encrypts its connections.
        """
        super().__init__(listener, peer, sock)
        self.driver = driver
        self.channel = sock
        self.send_buffer = None
        self.reset = False
        self.phase = IDLE
        encryption = driver.encryption
        if encryption is not None and encrypted:
            self.channel = encryption.channel(sock)
            self.phase = HANDSHAKE
            self.scheme = "https"
        self.fd = sock.fileno()
        self.parser = RequestParser(driver.limits.http)
        self.request: Request | None = None
        self.body: RequestBody | None = None
        self.keep = False
        self.linger = False
        self.deadline = FOREVER
        self.interest = 0
        self.lingered = 0

    @property
    def idle(self) -> bool:
        """True if the client has yet to send the first byte of a request."""
        return self.phase is IDLE or self.phase is HANDSHAKE

    # -- reading ---------------------------------------------------------------------

    def start(self) -> None:
        """Read a new connection at once: with a deferred accept its request is here already."""
        if self.phase is HANDSHAKE:
            # It has the time of a request's head.
            self.deadline = deadline_after(self.driver.limits.header_timeout)
            self._shake_hands()
            return
        self._on_readable()
        # After a first request that was here already, the time for the next one is running. While
        # another thread answers it, none is.
        if self.deadline == FOREVER and self.phase is IDLE:
            self.deadline = deadline_after(self.driver.limits.header_timeout)

    def on_event(self, mask: int) -> None:
        """Do what the poller says can be done now."""
        phase = self.phase
        if phase is IDLE and mask == READABLE:
            # First, because it is what a request begins with.
            self._on_readable()
        elif phase is FLUSH:
            self._on_writable()
        elif phase is LINGER:
            self._on_lingering()
        elif phase is READY or phase is QUEUED:
            # A client that goes on sending is not read before its turn: its last request has to be
            # answered first, or the requests would fill the memory.
            self.set_interest(NOTHING)
        elif mask & WRITABLE:
            self._on_writable_too(mask)
        elif phase is HANDSHAKE:
            self._shake_hands()
        elif phase is not BODY:
            self._on_readable()
        elif self._uploads():
            self._await_turn()
        else:
            self._on_readable(RECEIVE)

    def _uploads(self) -> bool:
        """Tell whether the body that arrives takes several turns to read, as far as is known."""
        if self.request is None or self.body is None:
            return False
        return (self.request.content_length or self.body.size) > RECEIVE

    def _await_turn(self) -> None:
        """Read more of a long body when clients with short requests have been served."""
        self.phase = QUEUED
        # The client has done its part; the worker is what it waits for.
        self.deadline = FOREVER
        self.set_interest(NOTHING)
        self.driver.queue_upload(self)

    def go_on(self) -> None:
        """Take the turn that the connection has waited for since it was postponed or queued."""
        if self.phase is QUEUED:
            self.phase = BODY
            if self.parser.buffered:
                self.advance()
            else:
                self._on_readable(RECEIVE)
        elif self.phase is READY:
            self.phase = IDLE
            # From now on it is the client that the worker waits for.
            self.deadline = monotonic() + self.driver.limits.keepalive
            self.advance()

    def _shake_hands(self) -> None:
        try:
            done = self.channel.handshake()
        except EOFError:
            self.driver.log.debug("Client ip=%s left during the TLS handshake", self.peer_host)
            self.close()
        except ChannelFailed as error:
            self._break_off("handshake", error)
        except PlainRequest as error:
            self._refuse_plain(error)
        else:
            if done:
                self._on_established()
            else:
                self.await_input()

    def _on_established(self) -> None:
        self.phase = IDLE
        self.variables = {**self.channel.variables(), **self.address()}
        successor = self.driver.protocols.get(self.channel.protocol)
        if successor is not None:
            self.switch(successor)
            return
        # The first request may have come in the same segment as the handshake's last message.
        self._on_readable()

    def _refuse_plain(self, error: PlainRequest) -> None:
        """Answer a client that does not speak TLS in the language that it does speak."""
        self.parser.feed(error.data)
        try:
            # For the logs.
            self.request = self.parser.next_request()
        except BadRequest:
            pass
        self.refuse(error)

    def _break_off(self, what: str, error: ChannelFailed) -> None:
        """End a connection whose channel has failed, and has told the client why."""
        self.driver.log.info("TLS %s with ip=%s failed: %s", what, self.peer_host, error)
        self.drop_request()
        self.finish(keep=False)

    def _on_readable(self, size: int = FIRST) -> None:
        try:
            data = self.channel.recv(size, DONTWAIT)
        except BlockingIOError:
            self.await_input()
            return
        except OSError:
            # A reset counts as the end of the input; what it cut short is reported below.
            data = b""
        except EOFError:
            log, peer = self.driver.log, self.peer_host
            log.warning("The TLS connection of ip=%s ended without a close_notify", peer)
            self.close()
            return
        except ChannelFailed as error:
            self._break_off("connection", error)
            return
        if data:
            self.parser.feed(data)
            self.advance()
        elif data is None:
            if self.phase is BODY:
                # A part of a TLS record is a sign of life, though it cannot be read yet.
                self.deadline = deadline_after(self.driver.limits.body_timeout)
            self.await_input()
        else:
            self._on_end_of_input()

    def await_input(self) -> None:
        """Wait until more can be read, or find that no more will come."""
        channel, mask = self.channel, READABLE
        if channel.ended:
            # That was the client's last word, though the stream below TLS may stay open.
            self._on_end_of_input()
            return
        if channel.pending or self.send_buffer:
            # A part of a handshake, or a 100 Continue, that did not fit into the socket.
            mask = READABLE | WRITABLE
        self.set_interest(mask)

    def _on_writable_too(self, mask: int) -> None:
        """Send what is left of something said between two reads; then read, if that is possible."""
        self.channel.flush()
        try:
            if self.send_buffer:
                self.transmit()
        except ClientDisconnected:
            self.close()
            return
        if not mask & ~WRITABLE:
            self.await_input()
        elif self.phase is HANDSHAKE:
            self._shake_hands()
        else:
            self._on_readable()

    def advance(self) -> None:
        """Go as far as the bytes received so far allow.

        Three things may come of it. More is needed: the connection waits for it, with the deadline
        of its phase. The bytes are not a request: they are refused, and the connection closes once
        the client has the answer. A request is complete: the driver has it, and calls
        :meth:`finish` in the end, perhaps before this returns.
        """
        body = NO_BODY
        try:
            request = self.request
            if request is None:
                request = self.parser.next_request()
                if request is None:
                    self._await_head()
                    return
                if request.has_body:
                    self.expect_body(request)
                    if self.parser.buffered and self._uploads():
                        # To begin with it means to make a file, mostly.
                        self._await_turn()
                        return
            if self.body is not None:
                if not self.take_body():
                    return
                body = self.body
                self.request = self.body = None
        except BadRequest as error:
            self.refuse(error)
            return
        self.driver.dispatch(self, request, body)

    def expect_body(self, request: Request) -> None:
        """Get ready for a body, when the head of its request is complete.

        Here it is stored, and :meth:`advance` dispatches the request when it is complete. A
        connection whose application reads bodies as they arrive dispatches the request here, and
        overrides :meth:`take_body`.
        """
        self.request = request
        self.body = RequestBody(self.driver.limits.tmp_dir, request.content_length or 0)
        self.phase = BODY
        if request.expect_continue and not self.parser.buffered:
            # RFC 9110 section 10.1.1: no 100 when the body is already on its way.
            self._send_continue()

    def _await_head(self) -> None:
        """Wait for the rest of a head, which has its time from its first byte on."""
        if self.phase is IDLE and self.parser.mid_head:
            self.phase = Phase.HEAD
            self.deadline = deadline_after(self.driver.limits.header_timeout)
        self.await_input()

    def take_body(self) -> bool:
        """Take what is here of the body. Returns True when the request is to be dispatched."""
        body, parser = self.body, self.parser
        assert body is not None
        while data := parser.read_body():
            if not parser.in_body:
                break
            body.append(data)
        if not parser.in_body:
            body.finish(data or b"")
            return True
        self.deadline = deadline_after(self.driver.limits.body_timeout)
        self.await_input()
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
        """Answer a request that cannot be served, and close."""
        request = self.request or self.parser.error_request
        self.drop_request()
        self.driver.cycle.refuse(error, request, self, self)
        self.finish(keep=False, linger=True)

    def expire(self) -> None:
        """Act on the deadline: answer a request that is late, and close."""
        if self.phase is BODY:
            self.refuse(RequestTimeout("the client paused for too long within the body"))
        elif self.phase is Phase.HEAD:
            self.refuse(RequestTimeout("the client took too long to send the request's head"))
        elif self.phase is HANDSHAKE:
            self.driver.log.debug("TLS handshake with ip=%s took too long", self.peer_host)
            self.close()
        else:
            self.close()

    # -- after a response ------------------------------------------------------------

    def _on_writable(self) -> None:
        try:
            done = self.transmit()
        except ClientDisconnected:
            self.close()
            return
        if done:
            self.finish(self.keep, self.linger)
        else:
            self.deadline = deadline_after(self.driver.limits.write_timeout)

    def finish(self, keep: bool, linger: bool = False) -> None:
        """Go on after a response: send what is left of it, then read the next request or close.

        :param keep: whether another request may follow.
        :param linger: whether the client may be sending still, so that its input has to be read
            for a while lest the response is lost.
        """
        if self.send_buffer:
            self.keep, self.linger = keep, linger
            self.phase = FLUSH
            self.deadline = deadline_after(self.driver.limits.write_timeout)
            self.set_interest(WRITABLE)
        elif keep and not self.parser.buffered:
            self.phase = IDLE
            # Not 0, because then no connection is kept.
            self.deadline = monotonic() + self.driver.limits.keepalive
            if self.interest != READABLE or self.channel.ended:
                self.await_input()
        elif keep:
            # Pipelined. It takes its turn after the others that are ready.
            self.phase = READY
            self.deadline = FOREVER
            self.driver.postpone(self)
        elif self.reset:
            self.close()
        # A close_notify or key update of TLS that is not read makes close(2) send a reset, too.
        elif linger or self.parser.buffered or self.taken or self.channel.encrypted:
            self._linger()
        else:
            self.close()

    def _linger(self) -> None:
        """Close our side, and read until the client closes its own.

        Closing a socket with unread input sends a reset, which may destroy the response
        before the client has read it.
        """
        if not self.half_close():
            # The client was faster, or is gone: nothing is left to protect.
            self.close()
            return
        self.phase = Phase.LINGER
        self.deadline = monotonic() + LINGER_SECONDS
        self.set_interest(READABLE)

    def _on_lingering(self) -> None:
        if not self.discard_input():
            self.close()

    def close(self) -> None:
        """Say goodbye, if that does not have to wait, and let go of everything."""
        self.phase = Phase.CLOSED
        if self.interest:
            self.drop_interest()
        if self.request is not None:
            self.drop_request()
        # After half a response, a goodbye would make the client believe that it has all of it.
        if self.channel.encrypted and not self.send_buffer and not self.reset:
            self.channel.goodbye()
        if self.send_buffer is not None:
            self.send_buffer.close()
        if self.reset:
            # On, for 0 seconds: close(2) then resets the connection (POSIX, SO_LINGER).
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if self.taken:
            self.end_for_all()
        # The socket in it refers to the connection.
        self.variables = None
        self.sock.close()

    # -- handing the client over -----------------------------------------------------

    def early(self) -> bytes:
        """Return what has been received and is not of the present request."""
        rest = self.parser.unread()
        # It stays here too: an application that only looks at its client does not take it away.
        self.parser.feed(rest)
        return rest

    def switch(self, make: Successor) -> None:
        """Let another protocol go on with the client, on the same channel.

        For the protocol that a client has chosen in the TLS handshake (``Driver.protocols``), and
        for a driver whose ``dispatch`` finds a request to upgrade and has sent the response, such
        as a 101. The driver hears no more of this connection; the request's body is the caller's.

        :param make: is called with this connection and with the bytes that have been received and
            not used, and returns what takes its place; that is started.
        :raises RuntimeError: when a part of a response is still to be sent.
        """
        if self.send_buffer:
            raise RuntimeError("the connection still has something to send")
        self.drop_interest()
        self.phase = Phase.CLOSED
        make(self, self.parser.unread()).start()

    def drop_request(self) -> None:
        """Let go of a request that is not answered, or whose body is not wanted any more."""
        self.request = None
        if self.body is not None:
            self.body.close()
            self.body = None

    def set_interest(self, mask: int) -> None:
        """Have the driver wait for these events."""
        if self.interest != mask:
            self.driver.set_interest(self, mask)
            self.interest = mask

    def set_aside(self) -> None:
        """Leave the poller, while a request is answered elsewhere; :meth:`finish` comes back."""
        self.drop_interest()
        # It may be on the list of those that are ready, too, with a request behind this one.
        self.phase = Phase.AWAY

    def drop_interest(self) -> None:
        """Have the driver wait for nothing, and forget the connection."""
        if self.interest:
            self.driver.forget(self)
            self.interest = 0
