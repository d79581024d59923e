"""The channel that speaks TLS.

OpenSSL gets no socket but two buffers (``ssl.MemoryBIO``). Each time bytes arrive, all that can be
decrypted is, so that nothing waits unseen inside OpenSSL while the poller waits for the socket; and
there is no state in which reading has to wait for writing or the other way round, as there is with
``ssl.SSLSocket``.

Imported only by a worker that speaks TLS, because it imports ``ssl``.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from typing import Any, NamedTuple

from corn_core.net.certificate import variables
from corn_core.net.channel import DONTWAIT, RECEIVE, ChannelFailed, PlainRequest
from corn_core.net.context import explained

PIECE = 64 * 1024
"""Bytes encrypted at a time. The buffers of a connection keep the size they have grown to."""

RECORD = 16 * 1024
"""Bytes decrypted at a time: OpenSSL gives no more than one record (RFC 8446 section 5.1)."""


class Encryption(NamedTuple):
    """Makes the TLS channels of a worker.

    :param suppress_ragged_eofs: whether a connection may end without a close_notify.
    """

    context: ssl.SSLContext
    suppress_ragged_eofs: bool

    def channel(self, sock: Any) -> TLSChannel:
        """Put TLS on a connected socket; nothing is sent or received before the handshake."""
        return TLSChannel(sock, self)


class TLSChannel:
    """Encrypts and decrypts between a connection and its socket; see ``channel.Channel``."""

    __slots__ = (
        *("ended", "established", "protocol", "sock"),
        *("_begun", "_incoming", "_outgoing", "_promised", "_ragged", "_said", "_tls", "_unsent"),
    )

    encrypted = True

    def __init__(self, sock: Any, encryption: Encryption) -> None:
        self.sock = sock
        self.established = False
        self.ended = False
        self.protocol = ""
        self._ragged = encryption.suppress_ragged_eofs
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        # None for a client that does not speak TLS, and after a failure.
        self._tls: ssl.SSLObject | None = encryption.context.wrap_bio(
            self._incoming, self._outgoing, server_side=True
        )
        self._begun = False
        self._said = False
        # Ciphertext that the socket has not taken, and how many bytes of the caller's are in it.
        self._unsent = memoryview(b"")
        self._promised = 0

    @property
    def pending(self) -> bool:
        """True if OpenSSL has said something that the socket has not taken."""
        return bool(self._unsent)

    # -- the handshake ---------------------------------------------------------------

    def handshake(self) -> bool:
        """Go on with the handshake. Returns True when it is complete."""
        try:
            data = self.sock.recv(RECEIVE, DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            raise EOFError("the client left during the handshake")
        if not self._begun:
            self._begun = True
            if data[:1].isalpha():
                # TLS begins with the type of a record, 22 (RFC 8446 section 5.1); HTTP with a
                # method. OpenSSL too can tell, but for some methods only.
                self._tls = None
                raise PlainRequest(data)
        assert self._tls is not None
        self._incoming.write(data)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()
            return False
        except ssl.SSLError as error:
            raise self._failure(error) from error
        self.flush()
        self.established = True
        self.protocol = self._tls.selected_alpn_protocol() or ""
        return True

    def variables(self) -> Mapping[str, Any]:
        """Return what describes the encryption and the client's certificate."""
        return {} if self._tls is None else variables(self._tls)

    # -- reading ---------------------------------------------------------------------

    def recv(self, size: int, flags: int, /) -> bytes | None:
        """Receive, and decrypt all that is there; None when that is not a whole record."""
        # Bytes that came in one piece with the handshake's last message are here already.
        if not self._incoming.pending:
            try:
                data = self.sock.recv(size, flags)
            except BlockingIOError:
                raise
            except OSError:
                # A reset: no more will come, as after any other end.
                data = b""
            if not data:
                if self._ragged:
                    return b""
                raise EOFError("the connection ended without a close_notify")
            self._incoming.write(data)
        data = self._decrypt()
        if self._outgoing.pending:
            self.flush()
        return data if data or self.ended else None

    def _decrypt(self) -> bytes:
        tls, incoming = self._tls, self._incoming
        assert tls is not None
        pieces = []
        try:
            while piece := tls.read(RECORD):
                pieces.append(piece)
                if not incoming.pending and not tls.pending():
                    # To be told the same by an exception takes longer than to decrypt a request.
                    break
            else:
                self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise self._failure(error) from error
        return b"".join(pieces)

    def _failure(self, error: ssl.SSLError) -> ChannelFailed:
        """Send the alert that OpenSSL has prepared; returns what to raise."""
        self.flush()
        # It is not established any more, so that nothing is encrypted.
        self._tls = None
        return ChannelFailed(explained(error))

    # -- writing ---------------------------------------------------------------------

    def send(self, data: bytes | memoryview, flags: int, /) -> int:
        """Encrypt and send.

        Bytes count as sent when the socket has taken their ciphertext whole. So what a client is
        slow to take waits once, in the caller's buffer, and beside it one piece of ciphertext.
        """
        if self._tls is None:
            sent: int = self.sock.send(data, flags)
            return sent
        # Those are encrypted: the caller begins with them again, as it has to.
        sent = self._promised
        self._send_unsent(flags)
        self._promised = 0
        view = memoryview(data)
        while sent < len(view):
            piece = view[sent : sent + PIECE]
            try:
                self._tls.write(piece)
            except ssl.SSLError as error:
                # In the middle of a renegotiation, which only a context that a hook has made
                # permits, OpenSSL cannot write either.
                raise ConnectionAbortedError(explained(error)) from error
            self._promised = len(piece)
            try:
                self._send_unsent(flags)
            except BlockingIOError:
                if not sent:
                    raise
                return sent
            sent += self._promised
            self._promised = 0
        return sent

    def sendfile(self, fd: int, offset: int, count: int, /) -> int:
        """Read a part of a file, encrypt and send it; returns 0 at the end of the file."""
        data = os.pread(fd, min(count, PIECE), offset)
        return self.send(data, DONTWAIT) if data else 0

    def flush(self) -> None:
        """Send what OpenSSL has to say, as far as the client takes it."""
        try:
            self._send_unsent(DONTWAIT)
        except OSError:
            # It would have to wait, or the client is gone, which the next read finds out.
            return

    def _send_unsent(self, flags: int) -> None:
        """Send all ciphertext.

        :raises BlockingIOError: when the socket does not take all of it.
        """
        if self._outgoing.pending:
            self._unsent = memoryview(bytes(self._unsent) + self._outgoing.read())
        try:
            while self._unsent:
                sent = self.sock.send(self._unsent, flags)
                self._unsent = self._unsent[sent:]
        except BlockingIOError:
            raise
        except OSError:
            # It will never be sent, and nothing is to wait for that.
            self._unsent = memoryview(b"")
            raise

    def goodbye(self) -> None:
        """Send a close_notify; without it the client cannot tell an end from a cut."""
        # After a part of a message it would make the client believe that it has all of it.
        if self._tls is None or self._said or self._promised or not self.established:
            return
        self._said = True
        try:
            self._tls.unwrap()
        except ssl.SSLError:
            # As a rule it wants to read the client's close_notify; ours is in the buffer.
            pass
        self.flush()
