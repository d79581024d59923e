"""From the messages of a response to its octets, without a server."""

from __future__ import annotations

import re
from typing import Any

import pytest

from corn_asgi.messages import BadMessage
from corn_asgi.response import ResponseEncoder
from corn_core.http import Limits, Request, RequestParser

BODY = "http.response.body"


def request(line: str = "GET / HTTP/1.1") -> Request:
    parser = RequestParser(Limits())
    parser.feed(f"{line}\r\nHost: x\r\n\r\n".encode())
    found = parser.next_request()
    assert found is not None
    return found


def encoder(line: str = "GET / HTTP/1.1", keep_alive: bool = True) -> ResponseEncoder:
    return ResponseEncoder(request(line), keep_alive)


def start(status: Any = 200, headers: Any = (), **more: Any) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(data: Any = b"", more: bool = False) -> dict[str, Any]:
    return {"type": BODY, "body": data, "more_body": more}


def shown(data: bytes) -> bytes:
    """Return the octets without Date, which changes."""
    return re.sub(rb"Date: [^\r]*\r\n", b"", data)


def test_the_head_waits_for_the_body_and_knows_its_length() -> None:
    response = encoder()
    response.start(start(headers=[(b"X-A", b"1"), (b"x-a", b"2")]))
    assert not response.begun
    assert shown(response.body(body(b"hello"))) == (
        b"HTTP/1.1 200 OK\r\nServer: corn\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 5\r\n\r\nhello"
    )
    assert response.complete
    assert not response.missing
    assert response.sent == 5


def test_a_body_in_parts_is_chunked() -> None:
    response = encoder()
    response.start(start())
    assert response.body(body(b"one", more=True)).endswith(b"chunked\r\n\r\n3\r\none\r\n")
    assert response.missing
    assert response.body(body(b"", more=True)) == b""
    assert response.body(body(b"two")) == b"3\r\ntwo\r\n0\r\n\r\n"
    assert not response.missing


def test_no_chunks_for_http_1_0() -> None:
    response = encoder("GET / HTTP/1.0")
    response.start(start())
    head = response.body(body(b"one", more=True))
    assert b"chunked" not in head
    assert head.endswith(b"Connection: close\r\n\r\none")
    assert not response.delimited
    assert response.missing
    assert response.body(body(b"two")) == b"two"


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("more", [False, True])
def test_no_octets_after_204_and_304(status: int, more: bool) -> None:
    response = encoder()
    response.start(start(status))
    sent = response.body(body(b"hello", more=more))
    sent += response.body(body(b"hello")) if more else b""
    assert sent.endswith(b"\r\n\r\n")
    assert b"Transfer-Encoding" not in sent
    assert response.sent == 0
    assert response.keep_alive


def test_head_has_the_fields_of_get_and_no_body() -> None:
    response = encoder("HEAD / HTTP/1.1")
    response.start(start())
    assert response.body(body(b"hello")).endswith(b"Content-Length: 5\r\n\r\n")


def test_a_length_of_the_application() -> None:
    response = encoder()
    response.start(start(headers=[(b"content-length", b"4")]))
    assert response.body(body(b"ab", more=True)).endswith(b"Content-Length: 4\r\n\r\nab")
    assert response.body(body(b"cd")) == b"cd"
    assert response.problem == ""


def test_a_body_too_long_is_cut() -> None:
    response = encoder()
    response.start(start(headers=[(b"content-length", b"4")]))
    assert response.body(body(b"abcdef")).endswith(b"\r\n\r\nabcd")
    assert "body of 6 bytes" in response.problem
    assert not response.keep_alive
    assert not response.missing


def test_a_body_too_short_closes() -> None:
    response = encoder()
    response.start(start(headers=[(b"content-length", b"4")]))
    assert response.body(body(b"ab")).endswith(b"ab")
    assert "body of 2 bytes, and Content-Length: 4" in response.problem
    assert not response.keep_alive
    assert response.missing


def test_headers_are_any_iterable_and_optional() -> None:
    response = encoder()
    response.start(start(headers=(pair for pair in [(b"b", b"1"), (b"a", b"2")])))
    assert b"b: 1\r\na: 2\r\n" in response.body(body())
    response = encoder()
    response.start({"type": "http.response.start", "status": 200})
    assert response.body({"type": BODY}).endswith(b"Content-Length: 0\r\n\r\n")


@pytest.mark.parametrize(
    "name", [b"transfer-encoding", b"connection", b"date", b"server", b"Keep-Alive", b"upgrade"]
)
def test_fields_that_are_the_servers(name: bytes) -> None:
    response = encoder()
    response.start(start(headers=[(name, b"application")]))
    assert b"application" not in response.body(body(b"x"))


def test_connection_close_of_the_application_closes() -> None:
    response = encoder()
    response.start(start(headers=[(b"Connection", b"Close")]))
    assert b"Connection: close\r\n" in response.body(body())
    assert not response.keep_alive


@pytest.mark.parametrize("status", [99, 100, 101, 103, 199, 1000, -1, True, "200", None, 200.0])
def test_a_status_that_is_none(status: Any) -> None:
    with pytest.raises(BadMessage, match="status"):
        encoder().start(start(status))


@pytest.mark.parametrize(
    "headers",
    [
        [("a", b"b")],
        [(b"a", "b")],
        [b"ab", b"cd"],
        [(b"a",)],
        [(b"a", b"b", b"c")],
        [None],
        5,
        [(b"a", 1)],
        "ab",
    ],
)
def test_headers_that_are_not_pairs_of_bytes(headers: Any) -> None:
    with pytest.raises(BadMessage, match="pairs of bytes"):
        encoder().start(start(headers=headers))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"a\r\nb", b"c")],
        [(b"a", b"b\r\nc: d")],
        [(b"a", b"b\nc")],
        [(b"a", b"\0")],
        [(b"", b"a")],
        [(b"a b", b"c")],
        *([(b"content-length", length)] for length in (b"-5", b"+5", b"5, 5", b"", b"0x5")),
        [(b"content-length", b"5"), (b"content-length", b"5")],
    ],
)
def test_headers_that_cannot_be_sent(headers: Any) -> None:
    response = encoder()
    response.start(start(headers=headers))
    with pytest.raises(BadMessage):
        response.body(body(b"hello"))
    assert not response.begun
    # The client still gets an answer.
    assert response.error(500, "failed").startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert response.complete


@pytest.mark.parametrize("data", ["text", 5, None, ["list"]])
def test_a_body_that_is_not_bytes(data: Any) -> None:
    response = encoder()
    response.start(start())
    with pytest.raises(BadMessage, match=r"'body' of http.response.body must be bytes"):
        response.body(body(data))


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_other_kinds_of_bytes(kind: Any) -> None:
    response = encoder()
    response.start(start())
    assert response.body(body(kind(b"hello"))).endswith(b"\r\n\r\nhello")


def test_messages_out_of_order() -> None:
    response = encoder()
    with pytest.raises(BadMessage, match=r"got http.response.body, expected http.response.start"):
        response.body(body())
    response.start(start())
    with pytest.raises(BadMessage, match=r"expected http.response.body"):
        response.start(start())
    with pytest.raises(BadMessage, match=r"expected http.response.body"):
        response.trailers({"type": "http.response.trailers"})
    response.body(body())
    with pytest.raises(BadMessage, match="the response is complete"):
        response.body(body())


def test_trailers() -> None:
    response = encoder()
    response.start(start(trailers=True))
    assert response.body(body(b"x")).endswith(b"chunked\r\n\r\n1\r\nx\r\n")
    first = [(b"x-a", b"1"), (b"content-length", b"9")]
    trailers = {"type": "http.response.trailers", "headers": first, "more_trailers": True}
    assert response.trailers(trailers) == b""
    assert response.missing
    trailers = {"type": "http.response.trailers", "headers": [(b"x-b", b"2")]}
    assert response.trailers(trailers) == b"0\r\nx-a: 1\r\nx-b: 2\r\n\r\n"
    assert response.complete
    assert not response.missing


def test_early_hints() -> None:
    response = encoder()
    hint = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    sent = response.early_hint(hint)
    assert sent == b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"
    assert encoder("GET / HTTP/1.0").early_hint(hint) == b""
    with pytest.raises(BadMessage, match="must be bytes"):
        response.early_hint({**hint, "links": ["text"]})
    with pytest.raises(BadMessage):
        response.early_hint({**hint, "links": [b"a\r\nb"]})


def test_a_file_is_framed_like_any_body() -> None:
    message = {"type": "http.response.pathsend"}
    response = encoder()
    response.start(start())
    assert response.region(message, 7).endswith(b"Content-Length: 7\r\n\r\n")
    assert response.allowed(7) == 7
    assert response.region_sent(message, 7) == b""
    assert response.complete
    # In chunks, when there is more to come.
    response = encoder()
    response.start(start())
    more = {**message, "more_body": True}
    assert response.region(more, 7).endswith(b"chunked\r\n\r\n7\r\n")
    assert response.allowed(7) == 7
    assert response.region_sent(more, 7) == b"\r\n"
    assert response.body(body(b"x")) == b"1\r\nx\r\n0\r\n\r\n"
    # Not beyond the length that was promised, and not at all for HEAD.
    response = encoder()
    response.start(start(headers=[(b"content-length", b"4")]))
    response.region(message, 7)
    assert response.allowed(7) == 4
    response.region_sent(message, 4)
    assert "body of 7 bytes" in response.problem
    response = encoder("HEAD / HTTP/1.1")
    response.start(start())
    assert response.region(message, 7).endswith(b"Content-Length: 7\r\n\r\n")
    assert response.allowed(7) == 0
