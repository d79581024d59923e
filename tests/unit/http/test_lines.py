from __future__ import annotations

import pytest

from corn_core.errors import BadChunk, BadFieldLine, BadRequest, FieldsTooLarge
from corn_core.http.lines import LineFinder, LineKind

KIND = LineKind("line", 5, BadFieldLine, FieldsTooLarge)


class Counting(bytearray):
    """Counts the octets that are searched."""

    searched = 0

    def find(self, sub: bytes, start: int = 0) -> int:  # type: ignore[override]
        found = super().find(sub, start)
        self.searched += (found if found >= 0 else len(self)) - start
        return found


def test_line_is_found_where_it_ends() -> None:
    finder = LineFinder()
    assert finder.find(b"..abc\r\ndef\r\n", 2, KIND) == 5
    assert finder.find(b"..abc\r\ndef\r\n", 7, KIND) == 10


def test_empty_line_is_a_line() -> None:
    assert LineFinder().find(b"\r\n", 0, KIND) == 0


def test_each_octet_is_searched_once() -> None:
    kind = LineKind("line", 10_000, BadFieldLine, FieldsTooLarge)
    finder, data = LineFinder(), Counting()
    for _ in range(5000):
        data += b"x"
        assert finder.find(data, 0, kind) == -1
    data += b"\r\n"
    assert finder.find(data, 0, kind) == 5000
    assert data.searched <= 5002


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"abcdef", FieldsTooLarge),
        (b"abcdef\r\n", FieldsTooLarge),
        (b"abcde\rf", FieldsTooLarge),
        (b"abcdef\n", FieldsTooLarge),
        (b"abc\n", BadFieldLine),
        (b"\n", BadFieldLine),
    ],
)
def test_wrong_line_is_refused_at_once(data: bytes, error: type[BadRequest]) -> None:
    with pytest.raises(error):
        LineFinder().find(data, 0, KIND)


def test_line_as_long_as_allowed_may_have_its_end_pending() -> None:
    finder, data = LineFinder(), bytearray(b"abcde\r")
    assert finder.find(data, 0, KIND) == -1
    data += b"\n"
    assert finder.find(data, 0, KIND) == 5


def test_room_is_a_second_limit() -> None:
    assert LineFinder().find(b"abc\r\n", 0, KIND, 3) == 3
    for data in (b"abcd\r\n", b"abcd\n", b"abcd"):
        with pytest.raises(FieldsTooLarge, match="no room"):
            LineFinder().find(data, 0, KIND, 3)


def test_error_is_the_kinds_own_and_names_it() -> None:
    with pytest.raises(BadChunk, match="chunk-size line longer than 3 bytes"):
        LineFinder().find(b"abcd", 0, LineKind("chunk-size line", 3, BadFieldLine, BadChunk))


def test_cr_before_the_line_is_not_of_the_line() -> None:
    with pytest.raises(BadFieldLine):
        LineFinder().find(b"abc\r\n", 4, KIND)
