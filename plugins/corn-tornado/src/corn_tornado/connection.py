"""One client's connection to a Tornado application, with its state and its deadline."""

from __future__ import annotations

import socket
from time import monotonic
from typing import TYPE_CHECKING

from tornado.websocket import WebSocketHandler

from corn_core.plugin import escape
from corn_core.worker import (
    DRAIN_GRACE,
    FOREVER,
    BadRequest,
    ConnectionInfo,
    FieldsTooLarge,
    RequestTimeout,
    deadline_after,
)
from corn_tornado.answer import Answer, Page
from corn_tornado.phase import Phase
from corn_tornado.stream import PlainStream, SecureStream

if TYPE_CHECKING:
    from corn_core.http import Request
    from corn_core.worker import Exchange, Listener
    from corn_tornado.host import NativeHost

GOING_AWAY = 1001
"""The code for closing websockets when the server stops (RFC 6455 section 7.4.1)."""

_EMPTY = b"Connection: close\r\nContent-Length: 0\r\n\r\n"
_BAD_BODY = b"HTTP/1.1 400 Bad Request\r\n" + _EMPTY
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n" + _EMPTY


class NativeConnection(ConnectionInfo):
    """A connection under a driver, which enforces its deadline.

    The stream owns the socket, and Tornado's loop polls it; the driver's poller does not.

    :ivar answer: the response to the request in flight.
    :ivar handler: the application's handler of that request, once there is one.
    :ivar last: true if the client has been told that this response is the last one.
    """

    interest = 0

    def __init__(
        self,
        driver: NativeHost[NativeConnection],
        listener: Listener,
        sock: socket.SocketType,
        peer: object,
    ) -> None:
        # Tornado and ssl want a socket of the Python-level class.
        whole = socket.socket(sock.family, sock.type, sock.proto, sock.detach())
        super().__init__(listener, peer, whole, driver.scheme)
        self.driver = driver
        self.fd = whole.fileno()
        self.stream: PlainStream | SecureStream | None = None
        self.phase = Phase.IDLE
        self.deadline = deadline_after(driver.limits.header_timeout)
        self.answer = Answer()
        self.handler: object = None
        self.last = False
        self.parser = self
        self._held = b""
        self._exchange: Exchange | None = None
        self._fresh = True
        self._progress = 0.0

    @property
    def idle(self) -> bool:
        """True if the client has not sent the first byte of a request yet."""
        return self.phase is Phase.IDLE

    @property
    def detached(self) -> bool:
        """True if the connection has switched to another protocol."""
        return self.phase is Phase.DETACHED

    @property
    def undisturbed(self) -> bool:
        """True if it has switched protocols and has not been asked to end, so it has no limit."""
        return self.detached and self.deadline == FOREVER

    def feed(self, data: bytes) -> None:
        """Take the first bytes of a request, which were read to look for a PROXY header."""
        self._held = data

    def start(self) -> None:
        """Give the connection to Tornado."""
        encryption = self.driver.encryption
        if encryption is None:
            self.stream = PlainStream(self.sock, self, self._held)
        else:
            try:
                self.sock = encryption.context.wrap_socket(
                    self.sock,
                    server_side=True,
                    do_handshake_on_connect=False,
                    suppress_ragged_eofs=encryption.suppress_ragged_eofs,
                )
            except OSError:
                # Tornado asks the system for the peer, and the client has already left.
                self.sock.close()
                return
            self.stream = SecureStream(self.sock, self)
        self.driver.adopt(self, self.stream)

    # -- what the request on it reports ----------------------------------------------

    def await_request(self) -> None:
        """Wait for the next request."""
        if self.last:
            self.close()
        elif not self._fresh:
            self.phase = Phase.IDLE
            self.deadline = deadline_after(self.driver.limits.keepalive)
            if self.driver.draining:
                # The client was told that the connection stays open before the worker was stopped.
                self.deadline = min(self.deadline, monotonic() + DRAIN_GRACE)

    def await_body(self) -> None:
        """Wait for the rest of the body from the client."""
        self.phase = Phase.BODY
        self.deadline = deadline_after(self.driver.limits.body_timeout)

    def await_app(self) -> None:
        """Wait for the application: from now on, delays are not the client's fault."""
        self._fresh = False
        self.phase = Phase.APP
        self.deadline = FOREVER

    def detach(self) -> None:
        """Let the application take over the stream."""
        self.phase = Phase.DETACHED
        self.deadline = FOREVER

    def begin(self, exchange: Exchange) -> None:
        """Start the exchange for a request that has arrived.

        :raises HookFailed: when pre_request fails.
        """
        self._exchange = exchange
        self.answer = Answer()
        exchange.request_started()

    def end(self) -> None:
        """Finish the exchange: its response is complete, or never will be."""
        exchange, self._exchange, self.handler = self._exchange, None, None
        if exchange is None:
            return
        answer = self.answer
        if answer.code:
            exchange.end(answer.code, answer.reason, answer.fields, answer.sent)
        else:
            exchange.abandon()

    def refuse(self, error: BadRequest, request: Request | None) -> None:
        """Answer a request that cannot be served, and close."""
        self.driver.cycle.refuse(error, request, self, self)
        self.close()

    # -- what the stream reports -----------------------------------------------------

    def on_received(self) -> None:
        if self.phase is Phase.IDLE:
            self.phase = Phase.HEAD
            if not self._fresh:
                # For a new connection, the time counts from when it was accepted.
                self.deadline = deadline_after(self.driver.limits.header_timeout)
        elif self.phase is Phase.BODY:
            self.deadline = deadline_after(self.driver.limits.body_timeout)

    def on_sent(self) -> None:
        self._progress = monotonic()

    def on_malformed(self, reason: str) -> bytes:
        if self._exchange is not None:
            # Its head was good, so hooks have been called for it, and it ends like any other.
            log, text = self.driver.worker.log, escape(reason)
            log.warning("Invalid request from ip=%s: %s", self.peer_host, text)
            self.answer.begin(400, "Bad Request", ())
            return _BAD_BODY
        page = Page()
        self.driver.cycle.refuse(BadRequest(reason), None, self, page)
        return bytes(page.data)

    def on_too_long(self) -> None:
        if self._exchange is not None:
            self.send(self.on_malformed("a line of the body is too long"))
        else:
            error = FieldsTooLarge("the head is longer than all limits together")
            self.driver.cycle.refuse(error, None, self, self)

    def on_closed(self) -> None:
        self.end()
        self.driver.gone(self)

    # -- what the driver does --------------------------------------------------------

    def stalled(self, now: float) -> bool:
        """Tell whether the client takes nothing of a response that is waiting for it."""
        timeout = self.driver.limits.write_timeout
        if not timeout or self.detached or self.stream is None or not self.stream.writing():
            return False
        return now - self._progress > timeout

    def expire(self) -> None:
        """End the connection, because its deadline has passed."""
        if self.phase is Phase.HEAD:
            self.refuse(RequestTimeout("the client took too long to send the request's head"), None)
            return
        if self.phase is Phase.BODY and not self.answer.code:
            self.answer.begin(408, "Request Timeout", ())
            self.send(_TOO_SLOW)
        self.close()

    def go_away(self) -> None:
        """Close a websocket as its protocol requires; any other protocol just ends."""
        if isinstance(self.handler, WebSocketHandler):
            self.handler.close(GOING_AWAY, "the server is stopping")
        else:
            self.close()

    def on_event(self, mask: int) -> None:
        """Do nothing; never called, because the driver does not poll this connection."""

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()

    # -- the sink of the request cycle's error pages ---------------------------------

    def send(self, data: bytes) -> None:
        """Send a text that is short enough for the socket to take at once."""
        if self.stream is not None and not self.stream.closed():
            self.stream.write(data)

    def send_file(self, fd: int, offset: int, count: int) -> None:
        raise NotImplementedError("an error page is not a file")

    def abort(self) -> None:
        self.close()
