"""Finding the lines of a message as its bytes come in, each byte looked at once."""

from __future__ import annotations

from math import inf

from corn_core.errors import BadRequest
from corn_core.http.grammar import shown

_CR = 0x0D


class LineKind:
    """A kind of line: how long it may be, and the errors that its faults are.

    :param name: how an error calls it.
    :param limit: the longest, in bytes without the line end.
    :param malformed: raised for a bare LF (RFC 9112 section 2.2 allows to accept it as a line
        end; where two recipients differ in that, requests are smuggled).
    :param too_long: raised as soon as it is longer than the limit.
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
    """Finds where the line ends that begins at some place of a growing buffer."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen = 0

    def find(self, data: bytes | bytearray, start: int, kind: LineKind, room: float = inf) -> int:
        """The index of the CRLF that ends the line beginning at ``start``; -1 if it is not there.

        After -1, ask again for the same line when there is more. Too long comes before
        malformed, as it does when the bytes come one by one.

        :param room: how long the line may be at most, besides its own limit.
        :raises BadRequest: of the classes that ``kind`` names.
        """
        end = data.find(b"\n", start + self._seen)
        stop = len(data) if end < 0 else end
        # A CR in the last place may be half of the line end that is still to come.
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
