"""Frames (RFC 6455 section 5): from octets to messages, and back; without I/O."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_KNOWN = frozenset({CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG})

PROTOCOL_ERROR = 1002
INVALID_DATA = 1007
TOO_BIG = 1009

Event = tuple[int, "str | bytes"]
"""An opcode and what came with it: a whole message, or the payload of a control frame."""

_new_decoder = codecs.getincrementaldecoder("utf-8")


class Failure(Exception):
    """The client has broken the protocol, or a limit.

    :ivar code: the close code that says so.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class FrameReader:
    """Reads the frames of a client, which are masked.

    What can be said of a frame is said before it has arrived whole: a length beyond the limit, and
    text that is not UTF-8.

    :param deflate: the extension, if it was agreed on.
    """

    __slots__ = (
        *("_buffer", "_compressed", "_decoder", "_deflate", "_fin", "_left", "_mask", "_max_size"),
        *("_opcode", "_parts", "_rsv1", "_size", "_start", "_type"),
    )

    def __init__(self, max_size: int, deflate: PerMessageDeflate | None) -> None:
        self._max_size = max_size
        self._deflate = deflate
        self._buffer = bytearray()
        self._start = 0
        # The frame: its opcode, None between frames, and what is missing of it.
        self._opcode: int | None = None
        self._fin = self._rsv1 = False
        self._left = 0
        self._mask = b""
        # The message: its type, 0 between messages, and what has arrived of it.
        self._type = 0
        self._compressed = False
        self._size = 0
        self._parts = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None

    def read(self, data: bytes) -> Iterator[Event]:
        """Yield what is complete once these octets have arrived.

        :raises Failure: what comes after that is not to be read any more.
        """
        buffer = self._buffer
        buffer += data
        while True:
            if self._opcode is None and not self._read_header():
                break
            opcode = self._opcode
            assert opcode is not None
            if opcode >= CLOSE:
                if len(buffer) - self._start < self._left:
                    break
                yield opcode, self._take(self._left)
                self._opcode = None
            else:
                message = self._read_data()
                if self._opcode is not None:
                    break
                if message is not None:
                    yield message
        del buffer[: self._start]
        self._start = 0

    def _take(self, count: int) -> bytes:
        """Return so many octets of the payload, unmasked."""
        start = self._start
        end = self._start = start + count
        mask = self._mask
        data = apply_mask(self._buffer[start:end], mask) if count else b""
        self._left -= count
        if self._left and count % 4:
            turn = count % 4
            self._mask = mask[turn:] + mask[:turn]
        return data

    # -- headers ---------------------------------------------------------------------

    def _read_header(self) -> bool:
        buffer, start = self._buffer, self._start
        available = len(buffer) - start
        if available < 2:
            return False
        first, second = buffer[start], buffer[start + 1]
        opcode = first & 0x0F
        self._check(first, second, opcode)
        length = second & 0x7F
        at = start + 2
        if length == 126:
            length, at = int.from_bytes(buffer[at : at + 2], "big"), at + 2
        elif length == 127:
            length, at = int.from_bytes(buffer[at : at + 8], "big"), at + 8
        if len(buffer) < at:
            return False
        if length >> 63:
            raise Failure(PROTOCOL_ERROR, "the first bit of a length is not 0")
        if opcode < CLOSE and self._size + length > self._max_size:
            # For a compressed one it is the least that it can be.
            raise Failure(TOO_BIG, f"a message of more than {self._max_size} bytes")
        if len(buffer) < at + 4:
            return False
        self._mask = bytes(buffer[at : at + 4])
        self._start = at + 4
        self._opcode = opcode
        self._fin = first >= 0x80
        self._left = length
        if TEXT <= opcode < CLOSE:
            self._type = opcode
            self._compressed = bool(first & 0x40)
        self._rsv1 = bool(first & 0x40)
        return True

    def _check(self, first: int, second: int, opcode: int) -> None:
        if opcode not in _KNOWN:
            raise Failure(PROTOCOL_ERROR, f"unknown opcode {opcode}")
        compressible = self._deflate is not None and opcode in (TEXT, BINARY)
        if first & (0x30 if compressible else 0x70):
            raise Failure(PROTOCOL_ERROR, "reserved bits are set")
        if not second & 0x80:
            raise Failure(PROTOCOL_ERROR, "a frame that is not masked")
        if opcode >= CLOSE:
            if first < 0x80:
                raise Failure(PROTOCOL_ERROR, "a control frame in fragments")
            if second & 0x7F > 125:
                raise Failure(PROTOCOL_ERROR, "a control frame of more than 125 bytes")
        elif (opcode == CONTINUATION) != bool(self._type):
            what = "a continuation of nothing" if not self._type else "a message within another"
            raise Failure(PROTOCOL_ERROR, what)

    # -- data ------------------------------------------------------------------------

    def _read_data(self) -> Event | None:
        """Read what has arrived of a data frame; ``_opcode`` is None when that is all of it."""
        available = len(self._buffer) - self._start
        whole = available >= self._left
        if self._compressed:
            if not whole:
                return None
            data = self._inflate(self._take(self._left))
        else:
            count = self._left if whole else available
            data = self._take(count)
        self._size += len(data)
        if self._size > self._max_size:
            raise Failure(TOO_BIG, f"a message of more than {self._max_size} bytes")
        final = whole and self._fin
        if whole:
            self._opcode = None
        if final and not self._parts and self._decoder is None:
            return self._finish(data)
        if self._type == TEXT:
            self._validate(data, final)
        self._parts += data
        return self._finish(bytes(self._parts)) if final else None

    def _validate(self, data: bytes, final: bool) -> None:
        """Look at a part of a text, to find out as soon as can be that it is not UTF-8."""
        if self._decoder is None:
            self._decoder = _new_decoder()
        try:
            self._decoder.decode(data, final)
            rest = self._decoder.getstate()[0]
            if rest[:1] == b"\xed" and rest[1:] >= b"\xa0":
                # A surrogate, which Python's decoder refuses only when it is complete.
                raise UnicodeError
        except UnicodeError:
            raise Failure(INVALID_DATA, "text that is not UTF-8") from None

    def _inflate(self, data: bytes) -> bytes:
        assert self._deflate is not None
        frame = Frame(Opcode(self._opcode or 0), data, self._fin, self._rsv1)
        try:
            # 0 would mean without a limit.
            room = max(1, self._max_size - self._size)
            return bytes(self._deflate.decode(frame, max_size=room).data)
        except PayloadTooBig:
            raise Failure(TOO_BIG, f"a message of more than {self._max_size} bytes") from None
        except ProtocolError as error:
            raise Failure(PROTOCOL_ERROR, str(error)) from None

    def _finish(self, message: bytes) -> Event:
        kind = self._type
        self._type = self._size = 0
        self._compressed = False
        self._decoder = None
        if self._parts:
            self._parts = bytearray()
        if kind == BINARY:
            return kind, message
        try:
            return kind, message.decode()
        except UnicodeDecodeError:
            raise Failure(INVALID_DATA, "text that is not UTF-8") from None


def encode_frame(opcode: int, payload: bytes, rsv1: bool = False) -> bytes:
    """Return a frame of the server: whole, and not masked."""
    first = 0x80 | (0x40 if rsv1 else 0) | opcode
    length = len(payload)
    if length < 126:
        return bytes((first, length)) + payload
    if length < 65536:
        return bytes((first, 126)) + length.to_bytes(2, "big") + payload
    return bytes((first, 127)) + length.to_bytes(8, "big") + payload
