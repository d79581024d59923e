"""A connection that speaks TLS: the same state machine, with OpenSSL between it and the socket.

OpenSSL gets no socket but two buffers (``ssl.MemoryBIO``). What it wants to send goes out
through the plain connection below, whose send_buffer then holds ciphertext; and each time bytes
have arrived, all that can be decrypted is, so that nothing waits unseen inside OpenSSL while
the poller waits for the socket. So there is no state in which reading has to wait for
writing or the other way round, as there is with ``ssl.SSLSocket``.

Imported only by a worker that speaks TLS, for it imports ``ssl``.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from corn_core.errors import BadRequest, ClientDisconnected
from corn_core.net.certificate import variables
from corn_core.net.context import explained
from corn_core.serving.connection import DONTWAIT, RECEIVE, Connection, Phase, deadline_after
from corn_core.serving.poller import READABLE, WRITABLE

if TYPE_CHECKING:
    from socket import SocketType

    from corn_core.net import Listener
    from corn_core.serving.host import Driver

# Bytes encrypted at a time. The buffers of a connection keep the size they have grown to.
PIECE = 64 * 1024

# Bytes decrypted at a time: OpenSSL gives no more than one record (RFC 8446 section 5.1).
RECORD = 16 * 1024

_RECEIVING = frozenset({Phase.IDLE, Phase.HEAD, Phase.BODY})


class PlainRequest(BadRequest):
    """A request that was not encrypted, though it should have been."""

    def __init__(self) -> None:
        super().__init__("a plain HTTP request was sent to a port that speaks HTTPS")


class TLSConnection(Connection):
    """A connection under TLS, also the sink of its own responses.

    :ivar tls: encrypts and decrypts; ``None`` for a client that does not speak TLS.
    :ivar begun: whether anything has been received.
    :ivar ended: whether the client has said that it sends no more (close_notify).
    """

    __slots__ = ("begun", "encryption", "ended", "incoming", "outgoing", "tls")

    def __init__(
        self, driver: Driver[Connection], listener: Listener, sock: SocketType, peer: object
    ) -> None:
        super().__init__(driver, listener, sock, peer)
        self.scheme = "https"
        assert driver.encryption is not None
        self.encryption = driver.encryption
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.tls: ssl.SSLObject | None = self.encryption.context.wrap_bio(
            self.incoming, self.outgoing, server_side=True
        )
        self.begun = False
        self.ended = False
        self.phase = Phase.HANDSHAKE

    @property
    def idle(self) -> bool:
        """Whether the client has yet to send the first byte of a request."""
        return self.phase is Phase.IDLE or self.phase is Phase.HANDSHAKE

    # -- the handshake ---------------------------------------------------------------

    def start(self) -> None:
        """Begin the handshake, which has the time of a request's head."""
        self.deadline = deadline_after(self.driver.limits.header_timeout)
        self._on_readable()

    def _shake_hands(self, data: bytes) -> None:
        assert self.tls is not None
        if not self.begun:
            self.begun = True
            if data[:1].isalpha():
                # TLS begins with the type of a record, 22 (RFC 8446 section 5.1); HTTP with a
                # method. OpenSSL too can tell, but for some methods only.
                self._refuse_plain(data)
                return
        self.incoming.write(data)
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._push()
            self._watch(READABLE)
            return
        except ssl.SSLError as error:
            self._break_off("handshake", error)
            return
        self._push()
        self.phase = Phase.IDLE
        self.variables = variables(self.tls)
        # The first request may have come in the same segment as the handshake's last message.
        self._read_on()

    def _refuse_plain(self, data: bytes) -> None:
        self.tls = None
        self.parser.feed(data)
        try:
            # For the logs.
            self.request = self.parser.next_request()
        except BadRequest:
            pass
        self.refuse(PlainRequest())

    def expire(self) -> None:
        """The deadline has passed."""
        if self.phase is Phase.HANDSHAKE:
            self.encryption.log.debug("TLS handshake with ip=%s took too long", self.peer_host)
        super().expire()

    # -- reading ---------------------------------------------------------------------

    def on_event(self, mask: int) -> None:
        """Do what the poller says can be done now."""
        if self.phase in (Phase.FLUSH, Phase.LINGER, Phase.READY):
            super().on_event(mask)
            return
        if self.send_buffer and mask & WRITABLE:
            # A part of a handshake, or a 100 Continue, that did not fit into the socket.
            try:
                self._transmit()
            except ClientDisconnected:
                self.close()
                return
            self._watch(READABLE)
        if mask & ~WRITABLE:
            self._on_readable()

    def _on_readable(self) -> None:
        try:
            data = self.sock.recv(RECEIVE, DONTWAIT)
        except BlockingIOError:
            self._watch(READABLE)
            return
        except OSError:
            # A reset: no more will come, as after any other end.
            data = b""
        if not data:
            self._on_end_of_stream()
        elif self.phase is Phase.HANDSHAKE:
            self._shake_hands(data)
        else:
            self.incoming.write(data)
            self._read_on()

    def _on_end_of_stream(self) -> None:
        log, peer = self.encryption.log, self.peer_host
        if self.phase is Phase.HANDSHAKE:
            log.debug("Client ip=%s left during the TLS handshake", peer)
            self.close()
        elif self.encryption.suppress_ragged_eofs:
            self._on_end_of_input()
        else:
            log.warning("The TLS connection of ip=%s ended without a close_notify", peer)
            self.close()

    def _read_on(self) -> None:
        """Decrypt all that is there, and go on with it."""
        assert self.tls is not None
        pieces = []
        try:
            while piece := self.tls.read(RECORD):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._break_off("connection", error)
            return
        self._push()
        if pieces:
            self.parser.feed(b"".join(pieces))
            self.advance()
            return
        if self.phase is Phase.BODY:
            # A part of a record is a sign of life, though it cannot be read yet.
            self.deadline = deadline_after(self.driver.limits.body_timeout)
        self._watch(READABLE)

    def _break_off(self, what: str, error: ssl.SSLError) -> None:
        """End a connection on which OpenSSL has given up, with the alert that says why."""
        reason = explained(error)
        self.encryption.log.info("TLS %s with ip=%s failed: %s", what, self.peer_host, reason)
        self._drop_request()
        self._push()
        # Not established, so that nothing is encrypted any more.
        self.tls = None
        self.finish(keep=False)

    # -- writing: the sink of the request cycle --------------------------------------

    def send(self, data: bytes | memoryview) -> None:
        """Encrypt and send, and keep what the client does not take now."""
        if self.tls is None:
            super().send(data)
            return
        view = memoryview(data)
        for start in range(0, len(view), PIECE):
            try:
                self.tls.write(view[start : start + PIECE])
            except ssl.SSLError as error:
                # In the middle of a renegotiation, which only a context that a hook has made
                # permits, OpenSSL cannot write either.
                raise ClientDisconnected(explained(error)) from error
            super().send(self.outgoing.read())

    def _push(self) -> None:
        """Send what OpenSSL itself wants to send."""
        if self.outgoing.pending:
            try:
                super().send(self.outgoing.read())
            except ClientDisconnected:
                # The next read finds the same, and is where it is reported.
                return

    def _watch(self, mask: int) -> None:
        if mask == READABLE:
            if self.ended and self.phase in _RECEIVING:
                # Its last word has been read, though the stream below may stay open.
                self._on_end_of_input()
                return
            if self.send_buffer:
                mask = READABLE | WRITABLE
        super()._watch(mask)

    # -- the end ---------------------------------------------------------------------

    def finish(self, keep: bool, linger: bool = False) -> None:
        """The response is produced: flush it, then go on to the next request or close."""
        # A client's close_notify or key update that nobody reads would make close(2) send a
        # reset, and that can destroy a response: every end has to linger.
        super().finish(keep, linger=True)

    def _next_request(self) -> None:
        super()._next_request()
        if self.ended and not self.parser.buffered:
            self._watch(READABLE)

    def _linger(self) -> None:
        self._say_goodbye()
        super()._linger()

    def close(self) -> None:
        """Say goodbye, if that does not have to wait, and let go of everything."""
        if (
            self.phase not in (Phase.LINGER, Phase.CLOSED)
            and not self.send_buffer
            and not self.reset
        ):
            self._say_goodbye()
        super().close()

    def _say_goodbye(self) -> None:
        """Send a close_notify; without it the client cannot tell an end from a cut."""
        if self.tls is None or self.phase is Phase.HANDSHAKE:
            return
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            # As a rule it wants to read the client's close_notify; ours is in the buffer.
            pass
        try:
            self.sock.send(self.outgoing.read(), DONTWAIT)
        except OSError:
            # It would have to wait, or the client is gone.
            return
