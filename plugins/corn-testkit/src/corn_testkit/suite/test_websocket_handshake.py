"""A WebSocket is opened as RFC 6455 says, or refused with a response."""

from __future__ import annotations

import ast

import pytest

from corn_testkit.asgi.frames import (
    ACCEPT,
    CLOSE,
    TEXT,
    FrameStream,
    close,
    frame,
    frames_in,
    handshake,
    opened,
    read_head,
)
from corn_testkit.asgi.told import Told
from corn_testkit.candidate import Subject
from corn_testkit.client import get, parse, read_all
from corn_testkit.waiting import wait_for

pytestmark = pytest.mark.corn_needs("asgi", "websocket")


def test_handshake_is_answered_with_101(exchange: Subject) -> None:
    """A handshake is answered with 101, the key's digest, and no framing of a body."""
    with exchange.address.connect() as client:
        client.sendall(handshake())
        head = read_head(client)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" in head
    assert f"\r\nSec-WebSocket-Accept: {ACCEPT}\r\n".encode() in head
    assert b"Content-Length" not in head
    assert b"Transfer-Encoding" not in head


def test_scope_of_a_websocket(exchange: Subject) -> None:
    """The scope of a WebSocket has the scheme ws and all subprotocols, and no method."""
    fields = ("Sec-WebSocket-Protocol: a, b", "X-A: 1", "Sec-WebSocket-Protocol: c")
    with opened(exchange.address, "/scope?x=%20", *fields) as client:
        scope = ast.literal_eval(FrameStream(client).rest()[0][1].decode())
    assert (scope["type"], scope["scheme"]) == ("websocket", "ws")
    assert (scope["path"], scope["raw_path"]) == ("/scope", b"/scope")
    assert scope["query_string"] == b"x=%20"
    assert list(scope["subprotocols"]) == ["a", "b", "c"]
    assert (b"x-a", b"1") in scope["headers"]
    assert scope["server"] == ("127.0.0.1", exchange.address.port)
    assert "method" not in scope


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("Host: x\r\n", "", 400),
        ("GET", "POST", 400),
        ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 12", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "no base64 at all!", 400),
        ("Sec-WebSocket-Version", "Sec-WebSocket-Protocol: a b\r\nSec-WebSocket-Version", 400),
        ("Sec-WebSocket-Version", "Content-Length: 1\r\nSec-WebSocket-Version", 400),
    ],
)
def test_bad_handshake_is_refused(exchange: Subject, old: str, new: str, status: int) -> None:
    """A handshake that is not in order is refused, one of another version with 426 and ours."""
    data = handshake().replace(old.encode(), new.encode())
    assert data != handshake()
    reply = parse(exchange.raw(data))
    assert reply.status == status
    if status == 426:
        assert reply.header("Sec-WebSocket-Version") == "13"


def test_upgrade_that_cannot_be_is_ignored(exchange: Subject) -> None:
    """An Upgrade in HTTP/1.0, or to something else, is ignored."""
    fields = ("Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13")
    assert parse(exchange.raw(get("/hello", *fields, version="1.0"))).text == "hello"
    other = get("/hello", "Upgrade: h2c", "Connection: upgrade, close")
    assert parse(exchange.raw(other)).text == "hello"


def test_subprotocol_is_one_that_the_client_offers(exchange: Subject) -> None:
    """The application chooses one of the client's subprotocols; another one is its mistake."""
    fields = ("Sec-WebSocket-Protocol: one", "Sec-WebSocket-Protocol: two")
    with exchange.address.connect() as client:
        client.sendall(handshake("/subprotocol", *fields))
        head = read_head(client)
    assert b"Sec-WebSocket-Protocol: two\r\n" in head
    assert b"x-mine: 1\r\n" in head
    assert b"forged" not in head, "Sec-WebSocket-Accept is the server's to send"
    assert parse(exchange.raw(handshake("/subprotocol?three", *fields))).status == 500


@pytest.mark.parametrize(
    ("path", "status"), [("/refuses", 403), ("/ignores", 403), ("/fails", 500)]
)
def test_handshake_that_is_not_accepted(exchange: Subject, path: str, status: int) -> None:
    """A handshake that the application closes is a 403, and one it fails on a 500; both are logged.

    What the client has sent after it is not read as HTTP.
    """
    reply = parse(exchange.raw(handshake(path) + frame(TEXT, b"x")))
    assert reply.status == status
    wait_for(lambda: f"{status} {len(reply.body)} GET {path} " in exchange.output, "its line")


def test_denial_has_the_response_of_the_application(exchange: Subject) -> None:
    """The application may deny a WebSocket with a response of its own, in parts."""
    received = exchange.raw(handshake("/denies"))
    reply = parse(received)
    assert (reply.status, reply.text, reply.header("x-a")) == (401, "not you", "b")


def test_frames_that_come_with_the_handshake_are_frames(exchange: Subject) -> None:
    """Octets in the same packet as the handshake are read as frames, and never as HTTP."""
    text = b"GET / HTTP/1.1\r\n\r\n"
    with exchange.address.connect() as client:
        client.sendall(handshake() + frame(TEXT, text))
        read_head(client)
        assert FrameStream(client).take(1) == [(TEXT, text)]


def test_frames_before_the_answer_wait(exchange: Subject, told: Told) -> None:
    """Frames that come before the application has accepted wait for that."""
    with exchange.address.connect() as client:
        client.sendall(handshake("/late?before") + frame(TEXT, b"early"))
        told.wait("late")
        exchange.get("/go?before")
        read_head(client)
        assert FrameStream(client).rest() == [(TEXT, b"early"), (CLOSE, b"\x03\xe8")]


@pytest.mark.corn_needs("keepalive")
def test_handshake_behind_a_request_in_the_pipeline(exchange: Subject) -> None:
    """A handshake may follow a request on the same connection, and be pipelined."""
    with exchange.address.connect() as client:
        client.sendall(get("/hello") + handshake() + close(1000))
        assert b"\r\n\r\n" in read_head(client)
        assert client.recv(5) == b"hello"
        assert read_head(client).startswith(b"HTTP/1.1 101 ")
        assert frames_in(read_all(client)) == [(CLOSE, b"\x03\xe8")]


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; client_max_window_bits; client_max_window_bits",
        "permessage-deflate; unknown",
        "permessage-deflate;;",
        "x-webkit-deflate-frame",
    ],
)
def test_bad_offer_of_compression_is_declined(exchange: Subject, offer: str) -> None:
    """An offer of compression that is not in order is declined, and the socket opens without."""
    with exchange.address.connect() as client:
        client.sendall(handshake("/echo", f"Sec-WebSocket-Extensions: {offer}"))
        head = read_head(client)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Extensions" not in head
