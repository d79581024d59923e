"""Checks heads that are still arriving, and heads long enough to exceed a limit."""

from __future__ import annotations

from corn_core.errors import BadFieldLine, BadRequestLine, FieldsTooLarge, TargetTooLong
from corn_core.http.grammar import FIRST_OCTETS
from corn_core.http.head import Request, read_request_line
from corn_core.http.limits import Limits
from corn_core.http.lines import LineFinder, LineKind

_CR = 0x0D
_LF = 0x0A


class HeadWatch:
    """Checks a head line by line as it arrives, for every fault that a single line reveals.

    Without it, a client could send an endless line, or wait for an answer to something that
    will never be a request. A head that is complete and short does not need it.

    :ivar request: the request as known from its first line; ``None`` before that.
    """

    __slots__ = ("_field", "_finder", "_limits", "_line", "_lines", "_offset", "request")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._line = LineKind(
            "request line", limits.request_line or limits.head, BadRequestLine, TargetTooLong
        )
        self._field = LineKind(
            "field line", limits.field_size or limits.head, BadFieldLine, FieldsTooLarge
        )
        self._finder = LineFinder()
        self._offset = 0
        self._lines = 0
        self.request: Request | None = None

    def look(self, data: bytes | bytearray, start: int) -> None:
        """Check the new part of the head that begins at ``start``.

        :raises BadRequest: for a malformed first line, a line that is too long or ends in a bare
            LF, and too many lines.
        """
        # Another protocol, such as TLS, usually shows in the first octet.
        if data[start] not in FIRST_OCTETS and data[start] not in (_CR, _LF):
            raise BadRequestLine("the first octet cannot begin a method")
        while (end := self._find(data, start)) >= 0:
            begin = start + self._offset
            self._offset = end + 2 - start
            if self.request is None:
                self.request = read_request_line(data[begin:end].decode("latin-1"))
            elif begin == end:
                return
            else:
                self._lines += 1
                if self._lines > self._limits.most_fields:
                    raise FieldsTooLarge(f"more than {self._limits.most_fields} fields")

    def _find(self, data: bytes | bytearray, start: int) -> int:
        kind = self._line if self.request is None else self._field
        room = self._limits.head - self._offset
        return self._finder.find(data, start + self._offset, kind, room)
