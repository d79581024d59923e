from __future__ import annotations

import pytest

from corn_core.errors import (
    BadChunk,
    BadFieldLine,
    BadRequest,
    BadRequestLine,
    BodyTooLarge,
    FieldsTooLarge,
    TargetTooLong,
    TruncatedRequest,
)
from corn_core.http import LAST_CHUNK, Limits, Request, RequestParser, encode_chunk
from tests.unit.http.test_lines import Counting

GET = b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
def parser() -> RequestParser:
    return RequestParser(Limits())


def taken(parser: RequestParser, data: bytes) -> Request:
    parser.feed(data)
    request = parser.next_request()
    assert request is not None
    return request


def test_nothing_is_not_the_end(parser: RequestParser) -> None:
    parser.feed(b"")
    assert parser.next_request() is None
    assert not parser.mid_head
    parser.feed(GET[:5])
    parser.feed(b"")
    assert parser.next_request() is None
    assert taken(parser, GET[5:]).path == "/b"


def test_request_without_a_body_is_complete(parser: RequestParser) -> None:
    assert not taken(parser, GET).has_body
    assert parser.read_body() is None
    assert parser.next_request() is None
    parser.eof()


def test_body_comes_as_it_was_fed(parser: RequestParser) -> None:
    assert taken(parser, POST).has_body
    assert parser.read_body() == b""
    parser.feed(b"hel")
    assert parser.read_body() == b"hel"
    assert parser.read_body() == b""
    parser.feed(b"lo" + GET)
    assert parser.read_body() == b"lo"
    assert parser.read_body() is None
    assert parser.read_body() is None
    assert taken(parser, b"").path == "/b"


def test_next_request_needs_the_body_to_be_read(parser: RequestParser) -> None:
    taken(parser, POST + b"hello" + GET)
    with pytest.raises(RuntimeError, match="not read"):
        parser.next_request()
    assert parser.read_body() == b"hello"
    assert parser.read_body() is None
    assert parser.next_request() is not None


def test_mid_head(parser: RequestParser) -> None:
    assert not parser.mid_head
    parser.feed(b"G")
    assert parser.next_request() is None
    assert parser.mid_head
    taken(parser, (POST + b"hel")[1:])
    assert not parser.mid_head
    assert parser.read_body() == b"hel"
    assert not parser.mid_head


def test_empty_line_is_no_part_of_a_head(parser: RequestParser) -> None:
    taken(parser, GET + b"\r\n")
    assert parser.buffered
    assert parser.next_request() is None
    assert not parser.mid_head
    assert not parser.buffered
    parser.eof()


def test_empty_line_in_two_pieces(parser: RequestParser) -> None:
    for piece in (b"\r", b"\n"):
        parser.feed(piece)
        assert parser.next_request() is None
    with pytest.raises(BadRequestLine, match="bare LF"):
        taken(parser, b"\n")


def test_buffered_and_unread(parser: RequestParser) -> None:
    taken(parser, POST)
    assert not parser.buffered
    parser.feed(b"hello" + b"\x81\x00")
    assert parser.buffered
    assert parser.read_body() == b"hello"
    assert parser.buffered
    assert parser.unread() == b"\x81\x00"
    assert not parser.buffered
    assert parser.unread() == b""
    assert taken(parser, GET).path == "/b"


def test_unread_after_pieces(parser: RequestParser) -> None:
    parser.feed(GET[:7])
    assert parser.next_request() is None
    taken(parser, GET[7:] + b"rest")
    assert parser.unread() == b"rest"


@pytest.mark.parametrize(
    "wire", [b"G", GET[:-1], POST, POST + b"hell", CHUNKED, CHUNKED + b"5\r\nhello\r\n0\r\n"]
)
def test_end_in_the_middle_is_an_error(parser: RequestParser, wire: bytes) -> None:
    parser.feed(wire)
    if parser.next_request() is not None:
        while parser.read_body():
            pass
    for _ in range(2):
        with pytest.raises(TruncatedRequest):
            parser.eof()
            parser.next_request()


def test_end_behind_a_pipelined_request_leaves_it(parser: RequestParser) -> None:
    taken(parser, GET * 2)
    parser.eof()
    assert parser.next_request() is not None
    assert parser.next_request() is None


def test_end_behind_a_pipelined_request_cuts_the_one_after(parser: RequestParser) -> None:
    taken(parser, GET + GET + b"GET /c")
    parser.eof()
    assert parser.next_request() is not None
    with pytest.raises(TruncatedRequest):
        parser.next_request()


def test_end_behind_a_pipelined_head_cuts_its_body(parser: RequestParser) -> None:
    taken(parser, GET + POST + b"hell")
    parser.eof()
    assert parser.next_request() is not None
    assert parser.read_body() == b"hell"
    with pytest.raises(TruncatedRequest):
        parser.read_body()


def test_error_is_final(parser: RequestParser) -> None:
    parser.feed(b"GET\r\n" + GET)
    for _ in range(2):
        with pytest.raises(BadRequestLine):
            parser.next_request()
        parser.feed(GET)
    with pytest.raises(BadRequestLine):
        parser.read_body()
    parser.eof()
    assert not parser.mid_head


def test_error_in_a_body_is_final(parser: RequestParser) -> None:
    taken(parser, CHUNKED + b"x\r\n" + GET)
    for _ in range(2):
        with pytest.raises(BadChunk):
            parser.read_body()
        with pytest.raises(BadChunk):
            parser.next_request()


@pytest.mark.parametrize(
    ("wire", "error", "path"),
    [
        (b"GET\r\n", BadRequestLine, None),
        (b"G" * 5000, TargetTooLong, None),
        (b"GET /b?c HTTP/1.1\r\n\r\n", BadFieldLine, "/b"),
        (b"GET /b?c HTTP/1.1\r\nHost: a\n", BadFieldLine, "/b"),
        (b"GET /b?c HTTP/1.1\r\nX: " + b"x" * 9000, FieldsTooLarge, "/b"),
        (b"GET /b?c HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % 2**40, BodyTooLarge, "/b"),
    ],
)
def test_what_is_known_of_a_refused_request(
    parser: RequestParser, wire: bytes, error: type[BadRequest], path: str | None
) -> None:
    parser.feed(wire)
    with pytest.raises(error):
        parser.next_request()
    known = parser.error_request
    assert (known and known.path) == path
    assert known is None or (known.method, known.query) == ("GET", "c")


@pytest.mark.parametrize(
    ("start", "error", "most"),
    [
        (b"GET /", TargetTooLong, 4095),
        (b"GET / HTTP/1.1\r\n", FieldsTooLarge, 8207),
        (b"GET / HTTP/1.1\r\n" + b"a:\r\n" * 100, FieldsTooLarge, 8607),
    ],
)
def test_endless_line_is_refused_as_soon_as_it_is_too_long(
    parser: RequestParser, start: bytes, error: type[BadRequest], most: int
) -> None:
    parser.feed(start)
    assert parser.next_request() is None
    fed = len(start)
    with pytest.raises(error):
        while fed <= most:
            parser.feed(b"x")
            fed += 1
            parser.next_request()
    assert fed == most


def test_endless_fields_are_refused_as_soon_as_they_are_too_many(parser: RequestParser) -> None:
    parser.feed(b"GET / HTTP/1.1\r\n")
    fed = 0
    with pytest.raises(FieldsTooLarge):
        while fed < 1000:
            parser.feed(b"a:\r\n")
            fed += 1
            parser.next_request()
    assert fed == 101


@pytest.mark.parametrize("zero", ["request_line", "fields", "field_size"])
def test_head_is_capped_without_a_limit(zero: str) -> None:
    limits = Limits(**{zero: 0})  # type: ignore[arg-type]
    parser = RequestParser(limits)
    start, piece = b"GET / HTTP/1.1\r\n", b"a: " + b"x" * 4000 + b"\r\n"
    if zero == "request_line":
        start, piece = b"GET /", b"x" * 5000
    elif zero == "field_size":
        start, piece = b"GET / HTTP/1.1\r\na:", b"x" * 5000
    parser.feed(start)
    with pytest.raises((FieldsTooLarge, TargetTooLong)):
        for _ in range(2 + limits.head // len(piece)):
            parser.feed(piece)
            parser.next_request()


def test_bad_first_line_does_not_wait_for_the_fields(parser: RequestParser) -> None:
    parser.feed(b"GET /#a HTTP/1.1\r\n")
    with pytest.raises(BadRequestLine):
        parser.next_request()


def test_head_that_dribbles_in_is_searched_once_for_each_purpose() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-A: %b\r\n" % (b"x" * 80) * 90 + b"\r\n"
    parser = RequestParser(Limits())
    # A bytearray of ours becomes the parser's buffer, and shows what is searched.
    buffer = Counting(head[:1])
    parser.feed(buffer)  # type: ignore[arg-type]
    for octet in head[1:]:
        assert parser.next_request() is None
        parser.feed(bytes([octet]))
    assert parser.next_request() is not None
    # Once for the blank line, each time with the three octets before, and once for lines.
    assert buffer.searched <= 6 * len(head)


def test_pipelined_requests_are_not_copied_to_go_on(parser: RequestParser) -> None:
    parser.feed(GET * 1000)
    data = parser._data
    for _ in range(999):
        assert parser.next_request() is not None
        assert parser._data is data
    assert parser.next_request() is not None
    assert not parser.buffered


def test_buffer_is_let_go_when_all_is_taken(parser: RequestParser) -> None:
    taken(parser, GET)
    assert parser._data == b""
    taken(parser, POST)
    parser.feed(b"hello")
    assert parser.read_body() == b"hello"
    assert parser._data == b""


def test_large_body_in_one_piece_is_not_copied(parser: RequestParser) -> None:
    body = b"x" * 100_000
    taken(parser, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n")
    parser.feed(body)
    assert parser.read_body() is body


def test_long_head_in_one_piece_is_watched_too() -> None:
    parser = RequestParser(Limits(field_size=50))
    parser.feed(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: " + b"x" * 50 + b"\r\n\r\n")
    with pytest.raises(FieldsTooLarge):
        parser.next_request()


def test_watch_does_not_outlive_its_head(parser: RequestParser) -> None:
    for _ in range(3):
        parser.feed(GET[:20])
        assert parser.next_request() is None
        assert taken(parser, GET[20:]).path == "/b"
    parser.feed(b"GET\r\n")
    with pytest.raises(BadRequestLine):
        parser.next_request()
    assert parser.error_request is None


def test_chunks_of_our_own_encoding(parser: RequestParser) -> None:
    pieces = [b"a", b"b" * 1000, b"\r\n0\r\n\r\n"]
    taken(parser, CHUNKED + b"".join(map(encode_chunk, pieces)) + LAST_CHUNK)
    assert parser.read_body() == b"".join(pieces)
    assert parser.read_body() is None
