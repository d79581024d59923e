"""Finds the lines of a message as its bytes arrive, examining each byte once."""

from __future__ import annotations

from math import inf

from corn_core.errors import BadRequest
from corn_core.http.grammar import shown

_CR = 0x0D


class LineKind:
    """A kind of line: how long it may be, and the errors to raise for its faults.

    :param name: what an error message calls it.
    :param limit: the greatest length, in bytes without the line end.
    :param malformed: raised for a bare LF. (RFC 9112 section 2.2 allows accepting it as a line
        end, but where two recipients differ in that, requests can be smuggled.)
    :param too_long: raised as soon as the line is longer than the limit.
    """

    __slots__ = ("limit", "malformed", "name", "too_long")

    def __init__(
        self, name: str, limit: int, malformed: type[BadRequest], too_long: type[BadRequest]
    ) -> None:
        self.name = name
        self.limit = limit
        self.malformed = malformed
        self.too_long = too_long


class LineFinder:
    """Finds the end of a line in a growing buffer."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = 0

    def find(self, data: bytes | bytearray, start: int, kind: LineKind, room: float = inf) -> int:
        """Return the index of the CRLF that ends the line at ``start``, or -1 if it is not there.

        After -1, call it again for the same line when the buffer has grown. A line that is both
        too long and malformed counts as too long, as it would if its bytes came one by one.

        :param room: another limit on the length of the line, besides its own.
        :raises BadRequest: of the classes that ``kind`` names.
        """
        end = data.find(b"\n", start + self._seen)
        stop = len(data) if end < 0 else end
        # A trailing CR may be the first half of a line end.
        has_cr = stop > start and data[stop - 1] == _CR
        length = stop - start - has_cr
        if length > kind.limit:
            raise kind.too_long(f"{kind.name} longer than {kind.limit} bytes")
        if length > room:
            raise kind.too_long(f"no room for another {kind.name}")
        if end < 0:
            self._seen = len(data) - start
            return -1
        self._seen = 0
        if not has_cr:
            raise kind.malformed(f"{kind.name} ends in a bare LF: {shown(data[start:end])}")
        return end - 1
