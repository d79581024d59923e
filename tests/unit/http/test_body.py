from __future__ import annotations

import pytest

from corn_core.errors import BadChunk, BadFieldLine, BadRequest, BodyTooLarge, FieldsTooLarge
from corn_core.http import LAST_CHUNK, Limits, Request, RequestParser, encode_chunk
from corn_core.http.body import CHUNK_LINE, Broken, ChunkedBody
from corn_core.http.head import HTTP_11
from tests.unit.http.test_lines import Counting


def chunked(limits: Limits | None = None) -> ChunkedBody:
    return ChunkedBody(request(), limits or Limits())


def request() -> Request:
    found = Request("POST", "/", HTTP_11)
    found.fields["HTTP_TRANSFER_ENCODING"] = "chunked"
    found.chunked = True
    return found


def test_sized_body_takes_its_length_and_no_more() -> None:
    parser = RequestParser(Limits())
    parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel")
    assert parser.next_request() is not None
    assert (parser.read_body(), parser.in_body) == (b"hel", True)
    assert (parser.read_body(), parser.in_body) == (b"", True)
    parser.feed(b"lo, world")
    assert (parser.read_body(), parser.in_body) == (b"lo", False)
    assert parser.read_body() is None
    assert parser.unread() == b", world"


def test_chunks_are_joined_and_the_rest_is_left() -> None:
    body = chunked()
    data = b"..2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\nGET /"
    assert body.take(data, 2) == (b"hello", len(data) - 5)
    assert body.complete


def test_unfinished_element_is_left_in_the_buffer() -> None:
    body = chunked()
    assert body.take(b"5\r", 0) == (b"", 0)
    assert body.take(b"5\r\nhel", 0) == (b"hel", 6)
    assert body.take(b"lo\r", 0) == (b"lo", 2)
    assert body.take(b"\r\n0\r\n", 0) == (b"", 5)
    assert not body.complete
    assert body.take(b"\r\n", 0) == (b"", 2)
    assert body.complete


def test_what_comes_before_an_error_is_delivered_first() -> None:
    body = chunked()
    data = b"5\r\nhello\r\nx\r\n"
    assert body.take(data, 0) == (b"hello", 10)
    for _ in range(2):
        with pytest.raises(BadChunk):
            body.take(data, 10)


def test_request_gets_length_and_trailers_at_the_end() -> None:
    found = request()
    body = ChunkedBody(found, Limits())
    body.take(b"5\r\nhello\r\n0\r\nX-A: b\r\n", 0)
    assert found.fields == {"HTTP_TRANSFER_ENCODING": "chunked"}
    body.take(b"x-b:c\r\n\r\n", 0)
    assert found.fields == {"CONTENT_LENGTH": "5"}
    assert found.trailers == [("X-A", "b"), ("X-B", "c")]
    assert found.chunked
    assert found.content_length is None


def test_length_is_that_of_all_chunks() -> None:
    found = request()
    body = ChunkedBody(found, Limits())
    body.take(b"".join(encode_chunk(b"x" * size) for size in (1, 16, 300)) + LAST_CHUNK, 0)
    assert found.fields["CONTENT_LENGTH"] == "317"


@pytest.mark.parametrize(
    ("wire", "limits", "error"),
    [
        (b"6\r\n", Limits(body=5), BodyTooLarge),
        (b"g\r\n", Limits(), BadChunk),
        (b"1" * (CHUNK_LINE + 1), Limits(), BadChunk),
        (b"0\r\nX-A: bc", Limits(field_size=6), FieldsTooLarge),
        (b"0\r\nA: 1\r\nB: 2\r\n", Limits(fields=1), FieldsTooLarge),
        (b"0\r\nHost : a\r\n", Limits(), BadFieldLine),
        (b"0\r\nHost: a\r\nHost: a\r\n", Limits(fields=1), FieldsTooLarge),
        (b"0\r\nX_A: a\r\n", Limits(header_map="refuse"), BadFieldLine),
    ],
)
def test_refused(wire: bytes, limits: Limits, error: type[BadRequest]) -> None:
    with pytest.raises(error):
        chunked(limits).take(wire, 0)


def test_what_may_not_be_a_trailer_is_dropped_and_merged_nowhere() -> None:
    found = request()
    body = ChunkedBody(found, Limits(header_map="keep"))
    fields = b"Content-Type: a/b\r\nX_Forwarded_For: 1\r\nContent_Length: 7\r\nX_A: b\r\n"
    body.take(b"0\r\nVary: *\r\n" + fields + b"Authorization: c\r\n\r\n", 0)
    assert body.complete
    assert found.fields == {"CONTENT_LENGTH": "0"}
    assert found.trailers == [("X_A", "b")]


def test_trailers_are_capped_without_other_limits() -> None:
    limits = Limits(request_line=1, fields=0, field_size=0)
    line = b"X: " + b"x" * 100_000 + b"\r\n"
    with pytest.raises(FieldsTooLarge):
        chunked(limits).take(b"0\r\n" + line * 11, 0)


def test_body_of_the_limit_is_taken() -> None:
    body = chunked(Limits(body=5))
    assert body.take(b"2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 0)[0] == b"hello"


def test_extensions_are_paid_for_by_data() -> None:
    large = b"64;%b\r\n%b\r\n" % (b"e" * 200, b"x" * 100)
    body = chunked()
    assert len(body.take(large * 1000, 0)[0]) == 100_000
    small = b"1;%b\r\nx\r\n" % (b"e" * 200)
    body = chunked()
    body.take(small * 1000, 0)
    with pytest.raises(BadChunk, match="extensions"):
        body.take(b"", 0)


def test_line_that_dribbles_in_is_searched_once() -> None:
    body, data = chunked(), Counting()
    for octet in b"1;" + b"e" * 4000:
        data.append(octet)
        assert body.take(data, 0) == (b"", 0)
    assert data.searched <= len(data) + 2


def test_broken_body_raises_its_error() -> None:
    error = BadChunk("x")
    with pytest.raises(BadChunk) as caught:
        Broken(error).take(b"", 0)
    assert caught.value is error
