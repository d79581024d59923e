from __future__ import annotations

import pytest

from corn_core.errors import BadFieldLine, BadRequest, BadRequestLine, VersionNotSupported
from corn_core.http import Limits, Request, RequestParser, head


def request(lines: bytes, limits: Limits | None = None) -> Request:
    parser = RequestParser(limits or Limits())
    parser.feed(b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n")
    found = parser.next_request()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("line", "error", "text"),
    [
        ("GET /", BadRequestLine, "not 'METHOD TARGET VERSION'"),
        ("GET  / HTTP/1.1", BadRequestLine, "not 'METHOD TARGET VERSION'"),
        ("G(T / HTTP/1.1", BadRequestLine, r"malformed method: b'G\(T'"),
        ("GET / HTTP/1.x", BadRequestLine, "malformed version: b'HTTP/1.x'"),
        ("GET /#a HTTP/1.1", BadRequestLine, "fragment"),
        ("GET /\x01 HTTP/1.1", BadRequestLine, "malformed target"),
        ("GET / HTTP/3.0", VersionNotSupported, "HTTP/3.0"),
        ("G(T / HTTP/3.0", BadRequestLine, "method"),
        ("GET /# HTTP/3.0", BadRequestLine, "fragment"),
    ],
)
def test_wrong_first_line(line: str, error: type[BadRequest], text: str) -> None:
    with pytest.raises(error, match=text):
        head.read_request_line(line)


def test_headers_are_in_order_and_not_joined() -> None:
    found = request(b"X-b: 2 \r\nx-a:1\r\nX-B: 3\r\nCookie: c=d\r\nCookie: e\r\n")
    assert found.headers == [
        ("HOST", "a"),
        ("X-B", "2"),
        ("X-A", "1"),
        ("X-B", "3"),
        ("COOKIE", "c=d"),
        ("COOKIE", "e"),
    ]
    assert found.headers is found.headers
    assert found.fields["HTTP_X_B"] == "2,3"


def test_headers_do_not_show_what_was_dropped() -> None:
    found = request(b"X_A: 1\r\nX-A: 2\r\nX_A: 1\r\nContent_Length: 9\r\n")
    assert found.headers == [("HOST", "a"), ("X-A", "2")]
    assert found.dropped == {"X_A: 1", "Content_Length: 9"}


def test_headers_show_what_was_kept() -> None:
    found = request(b"X_A: 1\r\nContent_Length: 9\r\n", Limits(header_map="keep"))
    assert found.headers == [("HOST", "a"), ("X_A", "1")]


def test_head_is_raw() -> None:
    assert request(b"x-A:  1 \r\n").head == b"GET / HTTP/1.1\r\nHost: a\r\nx-A:  1 "


@pytest.mark.parametrize("name", ["Host", "Content-Type", "Content-Length"])
def test_repetition_is_named(name: str) -> None:
    with pytest.raises(BadFieldLine, match=f"repeated field {name.upper()}"):
        request(f"{name}: 1\r\n".encode() * 2)


def test_remembered_lines_do_not_hide_a_repetition() -> None:
    for _ in range(2):
        with pytest.raises(BadFieldLine, match="repeated"):
            request(b"Host: a\r\n")


def test_requests_share_nothing() -> None:
    first, second = request(b"X-A: 1\r\n"), request(b"X-B: 1\r\n")
    first.fields["HTTP_X_C"] = "1"
    first.trailers.append(("X-T", "1"))
    assert "HTTP_X_C" not in second.fields
    assert second.trailers == []


@pytest.mark.parametrize(
    ("value", "members"),
    [("Close", ["close"]), ("a ,\tB", ["a", "b"]), ("a,", ["a", ""]), ("", [""])],
)
def test_split_list(value: str, members: list[str]) -> None:
    assert head.split_list(value) == members
