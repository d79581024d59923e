"""One WebSocket in the application: the ``receive`` and ``send`` that it is called with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from corn_asgi.messages import (
    BadMessage,
    ClientGone,
    Message,
    comes_from,
    kind_of,
    read_fields,
    reason_of,
)
from corn_asgi.response import NOTHING, ResponseEncoder
from corn_asgi.running import RunningCall
from corn_asgi.websocket.session import ABNORMAL, Session, may_be_sent
from corn_core.http import encode_head
from corn_core.plugin import escape, http_date
from corn_core.worker import BadResponse

if TYPE_CHECKING:
    from corn_asgi.host import Host
    from corn_asgi.websocket.handshake import Handshake
    from corn_core.http import Request
    from corn_core.worker import Exchange

SWITCHED = 101
NORMAL = 1000
INTERNAL_ERROR = 1011

# Fields of the 101 that are the server's to decide.
_RESERVED = frozenset(
    {"sec-websocket-accept", "sec-websocket-extensions", "upgrade", "content-length"}
)


class Transport(Protocol):
    """The connection of a WebSocket, as its call sees it."""

    host: Host

    @property
    def write_paused(self) -> bool:
        """True while the client does not take what was sent."""

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was sent, or is gone."""

    def write(self, data: bytes) -> None:
        """Send, and keep what the client does not take now."""

    def accept(self, head: bytes) -> None:
        """Open the socket with this head of a 101."""

    def close_session(self, session: Session, code: int, reason: str) -> None:
        """Send a close frame, and give the client some time to answer it."""

    def end_denied(self, cut: bool, delimited: bool) -> None:
        """Close after a response that denies the WebSocket."""

    def release(self) -> None:
        """Let go of what has come too early."""

    def on_taken(self) -> None:
        """Read on if the application has made room."""


class WebSocketCall(RunningCall):
    """A WebSocket, from its handshake to the end of the application's call.

    :ivar session: the open socket, None before the application has accepted it.
    :ivar denial: the response to a handshake that is not accepted.
    """

    __slots__ = (
        *("_connected", "_connection", "_handshake", "_left", "_log", "_told"),
        *("denial", "session"),
    )

    def __init__(
        self,
        connection: Transport,
        request: Request,
        handshake: Handshake,
        exchange: Exchange,
    ) -> None:
        super().__init__(connection.host, request, exchange)
        self._connection = connection
        self._handshake = handshake
        self._log = connection.host.log
        self._connected = False
        self._left: int | None = None  # the code for an application that has not accepted
        self._told = False
        self.session: Session | None = None
        self.denial = ResponseEncoder(request, keep_alive=False)

    def leave(self, code: int) -> None:
        """Tell an application that has not accepted that there is nothing to accept any more."""
        if self._left is None:
            self._left = code
        self.wake()

    def _is_over(self) -> bool:
        session = self.session
        return self._left is not None if session is None else session.code is not None

    # -- receive ---------------------------------------------------------------------

    async def receive(self) -> dict[str, Any]:
        """Return the next message, and after the last one that the socket is closed."""
        if not self._connected:
            self._connected = True
            return {"type": "websocket.connect"}
        while True:
            session = self.session
            if session is not None and session.messages:
                message = session.take()
                self._connection.on_taken()
                # Spec version 2.3: the key of the other kind may be left out.
                key = "text" if isinstance(message, str) else "bytes"
                return {"type": "websocket.receive", key: message}
            if self._is_over() or self.denial.state == NOTHING:
                return self._disconnect()
            await self._wait()

    def _disconnect(self) -> dict[str, Any]:
        code, reason = self._left or ABNORMAL, ""
        if self.session is not None and self.session.code is not None:
            code, reason = self.session.code, self.session.reason
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    # -- send ------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Take a message, and wait while the client does not read.

        :raises BadMessage: when it is not allowed; nothing of it was sent then.
        :raises ClientGone: when the socket is closed.
        """
        kind = kind_of(message)
        if self._told:
            raise BadMessage(f"got {kind} after websocket.close")
        if self._is_over():
            raise ClientGone("the socket is closed")
        session = self.session
        if session is None:
            self._answer(kind, message)
        elif kind == "websocket.send":
            self._connection.write(self._frame(session, message))
        elif kind == "websocket.close":
            self._told = True
            self._close(session, message)
        else:
            raise BadMessage(f"got {kind}, expected websocket.send or websocket.close")
        if self._connection.write_paused:
            await self._connection.drained()

    def _frame(self, session: Session, message: Message) -> bytes:
        text, data = message.get("text"), message.get("bytes")
        if (text is None) == (data is None):
            raise BadMessage("websocket.send must have either 'text' or 'bytes'")
        if data is None:
            if not isinstance(text, str):
                raise BadMessage(f"'text' must be str, not {type(text).__name__}")
            try:
                return session.text(text)
            except UnicodeEncodeError:
                raise BadMessage("'text' has surrogates, which UTF-8 has no form for") from None
        if not isinstance(data, bytes | bytearray | memoryview):
            raise BadMessage(f"'bytes' must be bytes, not {type(data).__name__}")
        return session.binary(bytes(data))

    def _close(self, session: Session, message: Message) -> None:
        code = message.get("code", NORMAL)
        reason = message.get("reason") or ""
        if code is None:
            code = NORMAL
        if not may_be_sent(code):
            raise BadMessage(f"close code {code!r} must not be sent (RFC 6455 section 7.4)")
        if not isinstance(reason, str):
            raise BadMessage(f"'reason' must be str, not {type(reason).__name__}")
        self._connection.close_session(session, int(code), reason)

    # -- the answer to the handshake ---------------------------------------------------

    def _answer(self, kind: str, message: Message) -> None:
        connection, denial = self._connection, self.denial
        if kind == "websocket.accept" and not denial.status:
            connection.accept(self._accept(message))
            return
        if kind == "websocket.close" and not denial.status:
            self._told = True
            connection.write(denial.error(403, "The server does not accept this WebSocket."))
        elif kind == "websocket.http.response.start":
            denial.start(message)
            return
        elif kind == "websocket.http.response.body":
            connection.write(denial.body(message))
        else:
            raise BadMessage(f"got {kind}, expected an answer to the handshake")
        if denial.state == NOTHING:
            self._finish_denial()

    def _accept(self, message: Message) -> bytes:
        """Open the session, and return the 101."""
        options = self._connection.host.websocket
        fields = [
            (name, value)
            for name, value in read_fields(message)
            if name.lower() not in _RESERVED
            and not (name.lower() == "sec-websocket-protocol" and message.get("subprotocol"))
        ]
        subprotocol = message.get("subprotocol")
        if subprotocol is not None:
            if not isinstance(subprotocol, str):
                raise BadMessage(f"'subprotocol' must be str, not {type(subprotocol).__name__}")
            if subprotocol not in self._handshake.subprotocols:
                raise BadMessage(f"the client does not offer subprotocol {subprotocol!r}")
            fields.append(("Sec-WebSocket-Protocol", subprotocol))
        agreed = self._handshake.negotiate() if options.compression else None
        if agreed is not None:
            fields.append(("Sec-WebSocket-Extensions", agreed[1]))
        try:
            head = encode_head(
                "101 Switching Protocols",
                [*self._handshake.fields(), *fields],
                method="GET",
                version=(1, 1),
                keep_alive=False,
                date=http_date(),
                body_length=None,
            )
        except BadResponse as error:
            raise BadMessage(f"websocket.accept: {error}") from None
        self.denial.headers = fields
        self.session = Session(options.max_size, None if agreed is None else agreed[0])
        del self._handshake  # a socket may be open, and idle, for hours
        return head.data

    # -- the end ---------------------------------------------------------------------

    def _on_return(self) -> None:
        self._leave_if_forked()
        self._end(NORMAL)

    def _on_cancelled(self) -> None:
        self._end(self._connection.host.stop_code())

    def _on_failure(self, error: BaseException) -> None:
        uri = escape(self.request.uri)
        if self._is_over() and comes_from(error, ClientGone):
            self._log.debug("Client gone during websocket %s", uri)
        else:
            self._log.error("Error handling websocket %s", uri, exc_info=error)
        self._end(INTERNAL_ERROR)

    def _end(self, code: int) -> None:
        """Close what is not closed, because the call has ended."""
        session, denial = self.session, self.denial
        if session is not None:
            if session.code is None:
                self._connection.close_session(session, code, "")
            self._exchange.end(SWITCHED, reason_of(SWITCHED), denial.headers, session.sent)
            self._connection.release()
        elif self._left is not None:
            self._exchange.abandon()
            self._connection.release()
        elif denial.state != NOTHING:
            if not denial.begun:
                status = 403 if code == NORMAL else 500
                text = "The server does not accept this WebSocket."
                self._connection.write(denial.error(status, text))
            self._finish_denial()

    def _finish_denial(self) -> None:
        denial = self.denial
        cut = denial.missing
        denial.state = NOTHING
        status = denial.status
        self._exchange.end(status, reason_of(status), denial.headers, denial.sent)
        self._connection.end_denied(cut, denial.delimited)
        self.wake()
