"""The decoder of a body in chunks: it takes what it can from the buffer and says how far it got."""

from __future__ import annotations

from corn_core.errors import BadChunk, BadFieldLine, BadRequest, BodyTooLarge, FieldsTooLarge
from corn_core.http.fields import read_trailer
from corn_core.http.grammar import match_chunk_line, shown
from corn_core.http.head import Request
from corn_core.http.limits import Limits
from corn_core.http.lines import LineFinder, LineKind

# The longest line before a chunk. Extensions are ignored (RFC 9112 section 7.1.1), but reading
# them costs time, so a sender must not send many: whatever exceeds 16 bytes of a line counts
# against the chunk's own data, and the debt must stay small.
CHUNK_LINE = 4096
CHUNK_DEBT = 16 * 1024

_CHUNK_KIND = LineKind("chunk-size line", CHUNK_LINE, BadChunk, BadChunk)

# What comes next in a chunked body.
_SIZE, _DATA, _DATA_END, _TRAILER = range(4)

Buffer = bytes | bytearray
Taken = tuple[bytes, int]
"""Decoded bytes, and the position in the buffer where the rest begins."""


class ChunkedBody:
    """A body in chunks, and the trailer section after them (RFC 9112 section 7.1).

    :param request: receives the trailers, and the length once it is known.
    """

    __slots__ = (
        "_debt",
        "_failure",
        "_finder",
        "_left",
        "_limits",
        "_lines",
        "_request",
        "_state",
        "_total",
        "_trailer_kind",
        "_trailer_size",
        "complete",
    )

    def __init__(self, request: Request, limits: Limits) -> None:
        self._request = request
        self._limits = limits
        self._finder = LineFinder()
        self._trailer_kind = LineKind(
            "trailer field", limits.field_size or limits.head, BadFieldLine, FieldsTooLarge
        )
        self._state = _SIZE
        self._left = 0
        self._total = 0
        self._debt = 0
        self._lines = 0
        self._trailer_size = 0
        self._failure: BadRequest | None = None
        self.complete = False

    def take(self, data: Buffer, start: int) -> Taken:
        """Decode as many chunks as the buffer holds.

        Data before a malformed chunk is delivered first, and the next call raises the error, so
        that the result does not depend on how the bytes were split.

        :raises BadRequest: for malformed chunks and trailers, and for too much of either.
        """
        if self._failure is not None:
            raise self._failure
        pieces: list[Buffer] = []
        while not self.complete:
            try:
                end = self._step(data, start, pieces)
            except BadRequest as error:
                if not pieces:
                    raise
                self._failure = error
                break
            if end == start:
                break
            start = end
        return b"".join(pieces), start

    def _step(self, data: Buffer, start: int, pieces: list[Buffer]) -> int:
        """Take one element; returns ``start`` unchanged if the element is incomplete."""
        if self._state == _SIZE:
            return self._take_size(data, start)
        if self._state == _DATA:
            piece = data[start : start + self._left]
            if piece:
                pieces.append(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            return start + len(piece)
        if self._state == _DATA_END:
            return self._take_data_end(data, start)
        return self._take_trailer(data, start)

    def _take_size(self, data: Buffer, start: int) -> int:
        end = self._finder.find(data, start, _CHUNK_KIND)
        if end < 0:
            return start
        match = match_chunk_line(data[start:end].decode("latin-1"))
        if match is None:
            raise BadChunk(f"malformed chunk-size line: {shown(data[start:end])}")
        size = int(match[1], 16)
        self._debt = max(0, self._debt + end - start - 16 - 2 * size)
        if self._debt > CHUNK_DEBT:
            raise BadChunk("more chunk extensions than data")
        self._total += size
        if 0 < self._limits.body < self._total:
            raise BodyTooLarge(f"body of more than {self._limits.body} bytes")
        self._left = size
        self._state = _DATA if size else _TRAILER
        return end + 2

    def _take_data_end(self, data: Buffer, start: int) -> int:
        # Exactly CRLF: a recipient that skipped to the next line end could be fed another message.
        end = data[start : start + 2]
        if not b"\r\n".startswith(end):
            raise BadChunk(f"chunk longer than its size: {shown(end)}")
        if len(end) < 2:
            return start
        self._state = _SIZE
        return start + 2

    def _take_trailer(self, data: Buffer, start: int) -> int:
        end = self._finder.find(data, start, self._trailer_kind)
        if end < 0:
            return start
        if end == start:
            self._finish()
        else:
            self._add_trailer(bytes(data[start:end]))
        return end + 2

    def _add_trailer(self, line: bytes) -> None:
        limits = self._limits
        self._lines += 1
        self._trailer_size += len(line) + 2
        if 0 < limits.fields < self._lines or self._trailer_size > limits.head:
            raise FieldsTooLarge("too many trailer fields")
        pair = read_trailer(line.decode("latin-1"), limits.header_map)
        if pair is not None:
            self._request.trailers.append(pair)

    def _finish(self) -> None:
        # RFC 9112 section 7.1.3 and RFC 3875 section 4.1.2: once decoded, this is a body of known
        # length without a coding. Applications that are unaware of chunks rely on that.
        fields = self._request.fields
        del fields["HTTP_TRANSFER_ENCODING"]
        fields["CONTENT_LENGTH"] = str(self._total)
        self.complete = True


class Broken:
    """Replaces the body after an error: nothing more can be read from the connection."""

    __slots__ = ("complete", "error")

    def __init__(self, error: BadRequest) -> None:
        self.error = error
        self.complete = False

    def take(self, data: Buffer, start: int) -> Taken:
        """Raise the error again."""
        raise self.error
