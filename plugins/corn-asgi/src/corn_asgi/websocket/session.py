"""An open WebSocket, without I/O: octets in, messages out; messages in, octets out."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from websockets.exceptions import ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Close, Frame, Opcode

from corn_asgi.websocket.frames import (
    BINARY,
    CLOSE,
    INVALID_DATA,
    PING,
    PONG,
    PROTOCOL_ERROR,
    TEXT,
    Failure,
    FrameReader,
    encode_frame,
)

NO_STATUS = 1005
ABNORMAL = 1006

_NOT_ON_THE_WIRE = frozenset({1004, 1005, 1006, 1015})
REASON_SIZE = 123
"""The octets that a close frame has for its reason (RFC 6455 section 5.5)."""


def may_be_sent(code: object) -> bool:
    """Tell whether a close code may be in a close frame (RFC 6455 section 7.4)."""
    if not isinstance(code, int) or code in _NOT_ON_THE_WIRE:
        return False
    return 1000 <= code <= 1014 or 3000 <= code <= 4999


def cut(reason: str) -> bytes:
    """Return as much of a reason as fits into a close frame, in whole characters."""
    octets = reason.encode("utf-8", "replace")
    return octets[:REASON_SIZE].decode("utf-8", "ignore").encode()


class Session:
    """The state of a WebSocket from its opening to its end.

    :ivar messages: those that have arrived.
    :ivar queued: the octets or characters in them.
    :ivar code: the close code for the application, None while the socket is open.
    :ivar reason: the reason that came with it.
    :ivar closing: True when a close frame was sent, after which nothing else is.
    :ivar ended: True when nothing more is expected of the client.
    :ivar failed: what the client has done wrong; empty if nothing.
    :ivar pings: the payloads of pings that were sent and not answered, oldest first.
    :ivar sent: octets of messages sent, for the access log.
    """

    __slots__ = (
        *("_deflate", "_out", "_reader", "closing", "code", "ended", "failed", "messages"),
        *("pings", "queued", "reason", "sent"),
    )

    def __init__(self, max_size: int, deflate: PerMessageDeflate | None) -> None:
        self._deflate = deflate
        self._reader = FrameReader(max_size, deflate)
        self._out: list[bytes] = []
        self.messages: Sequence[str | bytes] = ()
        self.queued = 0
        self.code: int | None = None
        self.reason = ""
        self.closing = False
        self.ended = False
        self.failed = ""
        self.pings: list[bytes] = []
        self.sent = 0

    # -- what comes in ---------------------------------------------------------------

    def receive(self, data: bytes) -> bytes:
        """Take octets of the client, and return what they have to be answered with."""
        if self.ended:
            return b""
        try:
            for opcode, payload in self._reader.read(data):
                if opcode <= BINARY:
                    if not self.closing:
                        self._queue(payload)
                elif not self._control(opcode, payload):
                    break
        except Failure as failure:
            self.failed = str(failure)
            self._end(ABNORMAL if self.code is None else self.code, "")
            self._out.append(self._close_frame(failure.code, self.failed))
        answer = b"".join(self._out)
        self._out.clear()
        return answer

    def _queue(self, message: str | bytes) -> None:
        # Even an empty deque takes 760 octets, and most sockets are idle.
        if not isinstance(self.messages, deque):
            self.messages = deque()
        self.messages.append(message)
        self.queued += len(message)

    def take(self) -> str | bytes:
        """Take the oldest message."""
        messages = self.messages
        assert isinstance(messages, deque)
        message: str | bytes = messages.popleft()
        self.queued -= len(message)
        if not messages:
            self.messages = ()
        return message

    def forget_messages(self) -> None:
        """Drop the messages that the application has not taken."""
        self.messages = ()

    def _control(self, opcode: int, payload: str | bytes) -> bool:
        """Act on a control frame. Returns False if nothing after it counts."""
        assert isinstance(payload, bytes)
        if opcode == PING:
            if not self.closing:
                self._out.append(encode_frame(PONG, payload))
        elif opcode == PONG:
            if payload in self.pings:
                # It answers those before it too (RFC 6455 section 5.5.3).
                del self.pings[: self.pings.index(payload) + 1]
        else:
            self._on_close(payload)
            return False
        return True

    def _on_close(self, payload: bytes) -> None:
        try:
            close = Close.parse(payload)
        except UnicodeDecodeError:
            raise Failure(INVALID_DATA, "a reason that is not UTF-8") from None
        except ProtocolError as error:
            raise Failure(PROTOCOL_ERROR, str(error)) from None
        self._end(int(close.code), close.reason)
        # The same code comes back, or none if there was none (RFC 6455 section 5.5.1).
        self._out.append(self._close_frame(int(close.code), ""))

    def _end(self, code: int, reason: str) -> None:
        self.ended = True
        if self.code is None:
            self.code, self.reason = code, reason

    def lose(self) -> None:
        """Take note that the connection is lost."""
        self._end(ABNORMAL, "")
        self.closing = True

    # -- what goes out ---------------------------------------------------------------

    def text(self, message: str) -> bytes:
        """Return a text message as a frame."""
        return self._message(TEXT, message.encode())

    def binary(self, message: bytes) -> bytes:
        """Return a binary message as a frame."""
        return self._message(BINARY, message)

    def _message(self, opcode: int, payload: bytes) -> bytes:
        self.sent += len(payload)
        if self._deflate is None:
            return encode_frame(opcode, payload)
        packed = self._deflate.encode(Frame(Opcode(opcode), payload)).data
        return encode_frame(opcode, bytes(packed), rsv1=True)

    def ping(self, payload: bytes) -> bytes:
        """Return a ping, and remember it."""
        self.pings.append(payload)
        return encode_frame(PING, payload)

    def close(self, code: int, reason: str) -> bytes:
        """Begin to close; nothing if that has begun already.

        :param code: one for which :func:`may_be_sent` returns True.
        """
        if self.code is None:
            self.code, self.reason = code, reason
        return self._close_frame(code, reason)

    def _close_frame(self, code: int, reason: str) -> bytes:
        if self.closing:
            return b""
        self.closing = True
        payload = b"" if code == NO_STATUS else code.to_bytes(2, "big") + cut(reason)
        return encode_frame(CLOSE, payload)
