"""The settings of WebSockets, and the handshake's answer to offers of compression."""

from __future__ import annotations

import pytest

from corn_asgi.websocket.handshake import Handshake
from corn_testkit.asgi.clients import says_nothing
from corn_testkit.asgi.frames import (
    BINARY,
    CLOSE,
    KEY,
    PING,
    PONG,
    TEXT,
    FrameStream,
    close,
    frame,
    frames_in,
    handshake,
    opened,
    read_head,
    same,
)
from corn_testkit.asgi.told import Told
from corn_testkit.client import read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import ASGI_APPS
from corn_testkit.waiting import wait_for


@pytest.mark.parametrize(
    ("offer", "accepted"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; client_max_window_bits=10; server_max_window_bits=10", True),
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", True),
        ("permessage-deflate; unknown, permessage-deflate", True),
        ("x-unknown, permessage-deflate", True),
        ("x-unknown", False),
        ("", False),
    ],
)
def test_offers_of_compression(offer: str, accepted: bool) -> None:
    negotiated = Handshake(KEY, [], offer).negotiate()
    assert (negotiated is not None) == accepted


def test_limits_and_pings(serve: Serve) -> None:
    server = serve(
        *("-k", "asgi", "--websocket-max-message-size=100", "--no-websocket-compression"),
        *("--websocket-ping-interval=1", "--websocket-ping-timeout=1", "exchange:app"),
        cwd=ASGI_APPS,
    )
    with opened(server.address) as client:
        client.sendall(frame(BINARY, b"x" * 101)[:6])
        assert same(FrameStream(client).rest(), [(CLOSE, b"\x03\xf1")])
    offer = "Sec-WebSocket-Extensions: permessage-deflate"
    with server.address.connect() as client:
        client.sendall(handshake("/echo", offer))
        assert b"Extensions" not in read_head(client)
        # A ping comes; it is answered, and then one is not.
        for answer in (True, False):
            data = b""
            while len(data) < 6:
                data += client.recv(6 - len(data))
            (opcode, payload), *rest = frames_in(data)
            assert (opcode, rest) == (PING, [])
            if answer:
                client.sendall(frame(PONG, payload))
        assert same(frames_in(read_all(client)), [(CLOSE, b"\x03\xf3")])
    wait_for(lambda: "1006 " in server.get("/events"), "the application to be told")
    server.stop()


def test_queue(serve: Serve) -> None:
    """Nothing is read, a ping neither, while so many messages wait for the application."""
    server = serve("-k", "asgi", "--websocket-max-queue=2", "exchange:app", cwd=ASGI_APPS)
    told = Told(server)
    with opened(server.address, "/busy?queue") as client:
        told.wait("busy")
        client.sendall(frame(TEXT, b"x") * 2)
        stream = FrameStream(client)
        client.sendall(frame(PING, b"1"))
        # What comes with the last message is read with it.
        if not says_nothing(client):
            assert stream.take(1) == [(PONG, b"1")]
            client.sendall(frame(PING, b"1"))
            assert says_nothing(client)
        server.get("/go?queue")
        assert sorted(stream.take(3)) == [(TEXT, b"1"), (TEXT, b"1"), (PONG, b"1")]
    server.stop()


def test_access_line_has_the_fields_of_the_handshake(serve: Serve) -> None:
    """A socket keeps its request's fields for it, which are dropped otherwise."""
    server = serve(
        *("-k", "asgi", "--access-logfile=-", "--access-logformat=%(s)s <%({x-probe}i)s>"),
        "exchange:app",
        cwd=ASGI_APPS,
    )
    with opened(server.address, "/echo", "X-Probe: kept") as client:
        client.sendall(close(1000))
        read_all(client)
    wait_for(lambda: "101 <kept>" in server.output, "the access line")
    server.stop()
