from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import h11
import pytest

from corn_core.errors import BadResponse
from corn_core.http import (
    CONTINUE,
    LAST_CHUNK,
    ResponseHead,
    encode_chunk,
    encode_head,
    encode_informational,
    error_page,
    response,
)

DATE = b"Fri, 20 Nov 2026 19:00:00 GMT"
TEXT = ("Content-Type", "text/plain")
START = b"HTTP/1.1 200 OK\r\nServer: corn\r\nDate: " + DATE + b"\r\n"


@pytest.fixture(autouse=True)
def empty_memo() -> Iterator[None]:
    response._lines.clear()
    response._starts.clear()
    yield


def head(
    headers: Sequence[Any] = (),
    status: str = "200 OK",
    *,
    method: str = "GET",
    version: tuple[int, int] = (1, 1),
    keep_alive: bool = True,
    body_length: int | None = None,
) -> ResponseHead:
    return encode_head(
        status,
        headers,
        method=method,
        version=version,
        keep_alive=keep_alive,
        date=DATE,
        body_length=body_length,
    )


@pytest.mark.parametrize(
    ("version", "keep_alive", "length", "rest"),
    [
        ((1, 1), True, 5, b"Content-Length: 5\r\n\r\n"),
        ((1, 1), False, 5, b"Content-Length: 5\r\nConnection: close\r\n\r\n"),
        ((1, 1), True, None, b"Transfer-Encoding: chunked\r\n\r\n"),
        ((1, 1), False, None, b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"),
        ((1, 0), True, 5, b"Content-Length: 5\r\nConnection: keep-alive\r\n\r\n"),
        ((1, 0), False, 5, b"Content-Length: 5\r\nConnection: close\r\n\r\n"),
        ((1, 0), True, None, b"Connection: close\r\n\r\n"),
    ],
)
def test_head(version: tuple[int, int], keep_alive: bool, length: int | None, rest: bytes) -> None:
    for _ in range(2):
        found = head([TEXT], version=version, keep_alive=keep_alive, body_length=length)
        assert found.data == START + b"Content-Type: text/plain\r\n" + rest
        assert found.status_code == 200
        assert found.has_body
        assert found.content_length == length
        assert found.chunked is (b"chunked" in rest)
        assert found.keep_alive is (b"close" not in rest)


@pytest.mark.parametrize(
    ("method", "status", "length"),
    [
        ("HEAD", "200 OK", b"7"),
        ("HEAD", "404 Not Found", b"7"),
        ("GET", "304 Not Modified", b"7"),
        ("GET", "204 No Content", None),
        ("HEAD", "204 No Content", None),
        ("POST", "102 Processing", None),
    ],
)
def test_response_without_a_body(method: str, status: str, length: bytes | None) -> None:
    found = head([("content-length", "7")], status, method=method)
    assert not found.has_body
    assert not found.chunked
    assert (b"Content-Length: 7\r\n" in found.data) is (length is not None)
    assert b"Transfer-Encoding" not in found.data
    assert found.keep_alive is not status.startswith("1")


@pytest.mark.parametrize(
    "name",
    [
        *("Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "TE"),
        *("Trailers", "Trailer", "Transfer-Encoding", "Upgrade", "Server", "Date", "dAtE"),
    ],
)
def test_what_is_the_servers_is_dropped(name: str) -> None:
    assert head([(name, "chunked"), TEXT], body_length=5).data == head([TEXT], body_length=5).data


def test_fields_keep_order_case_and_repetition() -> None:
    found = head([("x-B", "1"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c"), ("X-b", " 2\t")])
    lines = found.data.split(b"\r\n")[3:7]
    assert lines == [b"x-B: 1", b"Set-Cookie: a=b", b"Set-Cookie: c", b"X-b: 2"]


def test_values_are_latin_1() -> None:
    assert b"X-A: caf\xe9\r\n" in head([("X-A", "caf\xe9")]).data
    assert head(status="200 caf\xe9").data.startswith(b"HTTP/1.1 200 caf\xe9\r\n")


@pytest.mark.parametrize(
    "field",
    [
        ("X-A", "b\r\nX-B: c"),
        ("X-A", "b\n"),
        ("X-A", "b\r"),
        ("X-A", "b\0"),
        ("X-A", "\x7f"),
        ("X-A", "\x1b[0m"),
        ("X-A", "\u20ac"),
        ("X-A", None),
        ("X-A", 5),
        ("X-A", b"b"),
        (b"X-A", "b"),
        ("", "b"),
        ("X A", "b"),
        ("X-A:", "b"),
        ("X-A\n", "b"),
        ("X-\xe9", "b"),
        ("Date", "b\r\nX-B: c"),
        ("Connection", "close\r\nX-B: c"),
        ("Content-Length", "5\n"),
        ("Content-Length", "-5"),
        ("Content-Length", "+5"),
        ("Content-Length", "5, 5"),
        ("Content-Length", ""),
        ("Content-Length", "\u00b2"),
        ("Content-Length", 5),
        ["X-A", "b"],
        ["X-A", ["b"]],
        ("X-A",),
        ("X-A", "b", "c"),
        "ab",
        None,
        5,
    ],
    ids=repr,
)
def test_field_that_cannot_be_sent(field: object) -> None:
    for _ in range(2):
        with pytest.raises(BadResponse):
            head([TEXT, field])


@pytest.mark.parametrize(
    "status",
    ["", "OK", "20 OK", "2000 OK", "200OK", "200\tOK", "200 OK\r\n", "200 O\nK", "0200 OK"],
)
def test_status_that_cannot_be_sent(status: str) -> None:
    with pytest.raises(BadResponse, match="malformed status"):
        head(status=status)


@pytest.mark.parametrize("status", ["099 x", "000 x", "200 \u20ac", "\u0662\u0660\u0660 x"])
def test_status_that_is_no_status(status: str) -> None:
    with pytest.raises(BadResponse, match="malformed status"):
        head(status=status)


@pytest.mark.parametrize("status", ["200", "200 "])
def test_reason_may_be_empty(status: str) -> None:
    assert head(status=status).data.startswith(b"HTTP/1.1 200 \r\n")


def test_repeated_length_is_refused() -> None:
    with pytest.raises(BadResponse, match="repeated"):
        head([("Content-Length", "5"), ("content-length", "5")])


def test_tunnel_has_no_length() -> None:
    found = head([("Content-Length", "5")], method="CONNECT")
    assert b"Content-Length" not in found.data
    assert not found.keep_alive


WEBSOCKET = [("Upgrade", "WebSocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", "x")]


def test_websocket_upgrade_passes() -> None:
    found = head([*WEBSOCKET, ("Content-Length", "5")], "101 Switching Protocols")
    assert found.data.endswith(
        b"\r\nSec-WebSocket-Accept: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    )
    assert b"Content-Length" not in found.data
    assert not found.has_body
    assert not found.keep_alive


@pytest.mark.parametrize(
    ("headers", "version"),
    [([], (1, 1)), ([("Upgrade", "h2c")], (1, 1)), (WEBSOCKET, (1, 0))],
)
def test_other_switches_do_not(headers: list[tuple[str, str]], version: tuple[int, int]) -> None:
    with pytest.raises(BadResponse):
        head(headers, "101 Switching Protocols", version=version)


def test_upgrade_of_another_status_is_dropped() -> None:
    assert b"Upgrade" not in head(WEBSOCKET).data


class Lazy(str):
    """Says something else when it is asked."""

    def __str__(self) -> str:
        return "b\r\nX-B: c"

    def strip(self, chars: object = None) -> str:
        return str(self)

    def lower(self) -> str:
        return str(self)


def test_subclass_of_str_is_sent_as_it_is_checked() -> None:
    found = head([("X-A", Lazy("b")), (Lazy("Vary"), Lazy("c"))], body_length=0)
    assert found.data.split(b"\r\n")[3:5] == [b"X-A: b", b"Vary: c"]
    assert [type(text) for field in response._lines for text in field] == [str, str]


@pytest.mark.parametrize("name", ["Set-Cookie", "Location", "X-A", "ETag", "WWW-Authenticate"])
def test_secret_and_unique_fields_are_not_kept(name: str) -> None:
    head([(name, "b")])
    assert response._lines == {}


def test_memos_are_bounded() -> None:
    for number in range(3 * response.MEMO_SIZE):
        head([("Content-Length", str(number))], f"200 {number}")
        assert len(response._lines) <= response.MEMO_SIZE
        assert len(response._starts) <= response.MEMO_SIZE
    head([("Content-Type", "x" * 1000)], "200 " + "x" * 1000)
    assert ("Content-Type", "x" * 1000) not in response._lines
    assert "200 " + "x" * 1000 not in response._starts


def test_chunks() -> None:
    assert encode_chunk(b"x" * 26) == b"1a\r\n" + b"x" * 26 + b"\r\n"
    assert encode_chunk(b"") == b""
    assert LAST_CHUNK == b"0\r\n\r\n"


def test_informational() -> None:
    hints = encode_informational("103 Early Hints", [("Link", "</a>; rel=preload")])
    assert hints == b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"
    assert encode_informational("100 Continue", []) == CONTINUE


def test_informational_has_no_framing() -> None:
    fields = [("Content-Length", "5"), ("Transfer-Encoding", "chunked"), ("Connection", "close")]
    assert encode_informational("103", fields) == b"HTTP/1.1 103 \r\n\r\n"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("200 OK", []),
        ("101 Switching Protocols", []),
        ("103 a\r\n", []),
        ("103 Early Hints", [("Link", "a\r\n\r\nHTTP/1.1 200 OK")]),
        ("103 Early Hints", [["Link", "a"]]),
    ],
)
def test_informational_that_cannot_be_sent(status: str, headers: list[Any]) -> None:
    with pytest.raises(BadResponse):
        encode_informational(status, headers)


def test_error_page_is_escaped() -> None:
    fields, body = error_page(400, "Bad <Request>", "<script>\"'& caf\xe9 \u20ac")
    assert b"<h1>400 Bad &lt;Request&gt;</h1>" in body
    assert b"<p>&lt;script&gt;&quot;&#39;&amp; caf\xe9 &#8364;</p>" in body
    assert dict(fields)["Content-Length"] == str(len(body))
    assert head(fields, "400 Bad Request").content_length == len(body)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("length", [None, 5])
def test_h11_reads_what_we_send(method: str, status: str, length: int | None) -> None:
    found = head([TEXT], status, method=method, body_length=length)
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(found.data)
    if found.has_body:
        client.receive_data(encode_chunk(b"hello") + LAST_CHUNK if found.chunked else b"hello")
    event = client.next_event()
    assert isinstance(event, h11.Response)
    assert event.status_code == int(status[:3])
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert body == (b"hello" if found.has_body else b"")
    assert client.their_state is h11.DONE
