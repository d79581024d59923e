"""Fields that a client repeats on one connection: remembered, and parsed as ever all the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_core.errors import BadRequest
from corn_core.http import Limits, Request, RequestParser
from corn_core.http.parser import CHANCES
from tests.fuzzing import examples

FIRST_LINES = (
    *("GET / HTTP/1.1", "GET /a?b=c HTTP/1.1", "GET /%41?x HTTP/1.1", "HEAD /?? HTTP/1.1"),
    *("GET / HTTP/1.0", "GET http://other/ HTTP/1.1", "OPTIONS * HTTP/1.1", "CONNECT a:1 HTTP/1.1"),
    *("POST / HTTP/1.1", "GET /#a HTTP/1.1", "GET / HTTP/1.2", "GET  / HTTP/1.1", "nonsense", ""),
)
FIELDS = (
    *("Host: a", "Host: a\r\nX-A: 1", "X-A: 1\r\nHost: a", "X-A: 1\r\nX-A: 2\r\nHost: a"),
    *(
        "Host: a\r\nConnection: close",
        "Host: a\r\nConnection: keep-alive",
        "",
        "Host: a\r\nHost: a",
    ),
    *("Host: a\r\nContent-Length: 0", "Host: a\r\nContent-Length: 2", "X-A: 1"),
    *("Host: a\r\nExpect: 100-continue", "Host: a\r\nExpect: more", "Host: a\r\nX_A: 1"),
    *(
        "Host: a\r\nConnection: upgrade\r\nUpgrade: websocket",
        "Host: a\r\nTransfer-Encoding: chunked",
    ),
)
BODIES = {"Content-Length: 2": b"ok", "Transfer-Encoding: chunked": b"0\r\n\r\n"}


def facts(request: Request) -> dict[str, object]:
    """Everything that a request says."""
    names = ("method", "uri", "path", "query", "version", "head", "keep_alive", "content_length")
    more = ("chunked", "expect_continue", "upgrade", "has_body", "headers", "dropped", "trailers")
    return {**{name: getattr(request, name) for name in names + more}, **request.fields}


def parsed(parser: RequestParser, data: bytes) -> object:
    """Parse a request with its body; returns its content, or what is wrong with it."""
    parser.feed(data)
    try:
        request = parser.next_request()
        assert request is not None
        while parser.read_body() is not None:
            pass
    except BadRequest as error:
        return str(error)
    return facts(request)


def message(first: str, fields: str) -> bytes:
    lines = f"{first}\r\n{fields}\r\n\r\n" if fields else f"{first}\r\n\r\n"
    return lines.encode() + next((BODIES[each] for each in BODIES if each in fields), b"")


@given(
    requests=st.lists(
        st.tuples(st.sampled_from(FIRST_LINES), st.sampled_from(FIELDS)), min_size=2, max_size=8
    )
)
@examples(500)
def test_a_request_means_the_same_wherever_it_stands(requests: list[tuple[str, str]]) -> None:
    parser = RequestParser(Limits())
    for first, fields in requests:
        alone = parsed(RequestParser(Limits()), message(first, fields))
        assert parsed(parser, message(first, fields)) == alone
        if isinstance(alone, str):
            break  # the connection is to be closed


def test_repeated_fields_are_not_parsed_again() -> None:
    """Each request has fields of its own, with the values that were parsed once."""
    parser = RequestParser(Limits())
    found = []
    for number in range(4):
        # So long that it is in no memory that connections share.
        parser.feed(f"GET /{number} HTTP/1.1\r\nHost: a\r\nCookie: {'x' * 500}\r\n\r\n".encode())
        request = parser.next_request()
        assert request is not None
        found.append(request)
    assert [request.path for request in found] == ["/0", "/1", "/2", "/3"]
    cookies = [request.fields["HTTP_COOKIE"] for request in found]
    assert cookies[1] is cookies[2] is cookies[3]
    assert cookies[0] is not cookies[1]
    found[2].fields["HTTP_COOKIE"] = "changed by a hook"
    assert found[3].fields["HTTP_COOKIE"] == "x" * 500
    parser.feed(f"GET /4 HTTP/1.1\r\nHost: a\r\nCookie: {'x' * 500}\r\n\r\n".encode())
    request = parser.next_request()
    assert request is not None
    assert request.fields["HTTP_COOKIE"] == "x" * 500


def test_a_field_in_front_of_the_known_ones_is_seen() -> None:
    parser = RequestParser(Limits())
    known = b"\r\nHost: a\r\n\r\n"
    for _ in range(3):
        parser.feed(b"GET / HTTP/1.1" + known)
        assert parser.next_request() is not None
    parser.feed(b"GET / HTTP/1.1\r\nContent-Length: 3" + known)
    request = parser.next_request()
    assert request is not None
    assert request.content_length == 3


def test_no_head_at_all_is_not_taken_for_a_known_one() -> None:
    for requests in range(1, 4):
        parser = RequestParser(Limits())
        for _ in range(requests):
            parser.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert parser.next_request() is not None
        parser.feed(b"\r\n\r\n")
        with pytest.raises(BadRequest, match="empty lines"):
            parser.next_request()


def test_a_known_head_has_its_own_body() -> None:
    parser = RequestParser(Limits())
    for number in range(5):
        body = b"%d" % number
        parser.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n" + body)
        request = parser.next_request()
        assert request is not None
        assert (request.content_length, request.has_body) == (1, True)
        assert parser.read_body() == body
        assert parser.read_body() is None


def test_the_limits_hold_for_a_known_head() -> None:
    parser = RequestParser(Limits(request_line=50))
    known = b"\r\nHost: a\r\n\r\n"
    for _ in range(3):
        parser.feed(b"GET / HTTP/1.1" + known)
        assert parser.next_request() is not None
    parser.feed(b"GET /" + b"x" * 60 + b" HTTP/1.1" + known)
    with pytest.raises(BadRequest) as caught:
        parser.next_request()
    assert caught.value.status == 414


def test_what_follows_a_known_head_is_kept() -> None:
    parser = RequestParser(Limits())
    one = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
    parser.feed(one * 5 + b"GET /")
    for _ in range(5):
        request = parser.next_request()
        assert request is not None
        assert request.path == "/1"
    assert parser.next_request() is None
    assert parser.mid_head
    parser.feed(b"2 HTTP/1.1\r\nHost: a\r\n\r\n")
    request = parser.next_request()
    assert request is not None
    assert request.path == "/2"


def test_a_client_whose_fields_change_is_not_remembered_for_ever() -> None:
    parser = RequestParser(Limits())
    for number in range(2 + CHANCES):
        parser.feed(f"GET / HTTP/1.1\r\nHost: a{number}\r\n\r\n".encode())
        request = parser.next_request()
        assert request is not None
        assert request.fields == {"HTTP_HOST": f"a{number}"}
    parser.feed(b"GET / HTTP/1.1\r\nHost: b\r\nX: " + b"y" * 300 + b"\r\n\r\n")
    first = parser.next_request()
    parser.feed(b"GET / HTTP/1.1\r\nHost: b\r\nX: " + b"y" * 300 + b"\r\n\r\n")
    second = parser.next_request()
    assert first is not None and second is not None
    assert first.fields["HTTP_X"] is not second.fields["HTTP_X"]
