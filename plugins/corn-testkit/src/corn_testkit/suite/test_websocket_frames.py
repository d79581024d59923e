"""Frames mean what RFC 6455 says, and end with the close code that it names."""

from __future__ import annotations

import socket
import zlib
from itertools import groupby

import pytest

from corn_testkit.asgi.cases import CASES
from corn_testkit.asgi.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frames,
    FrameStream,
    close,
    frame,
    frames_in,
    handshake,
    opened,
    read_head,
    run_on,
    same,
)
from corn_testkit.asgi.told import Told
from corn_testkit.candidate import Subject
from corn_testkit.client import read_all, receive_until
from corn_testkit.waiting import wait_for

pytestmark = pytest.mark.corn_needs("asgi", "websocket")

GROUPS = {
    group: list(cases)
    for group, cases in groupby(CASES, lambda case: case.name.split(".")[0].split()[0])
}


def frames_of(subject: Subject, path: str, *sent: bytes) -> Frames:
    """Return all frames that a socket gets which sends these."""
    with opened(subject.address, path) as client:
        client.sendall(b"".join(sent))
        return FrameStream(client).rest()


# One test for a group, because each case takes a few milliseconds.
@pytest.mark.parametrize("group", GROUPS)
def test_cases_of_the_protocol(exchange: Subject, group: str) -> None:
    """Every case of the Autobahn suite ends as RFC 6455 says."""
    wrong = {}
    for case in GROUPS[group]:
        with opened(exchange.address) as client:
            got = run_on(client, case)
        if not case.accepts(got):
            wrong[case.name] = [(opcode, data[:50]) for opcode, data in got]
    assert not wrong


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_message_that_is_too_long_is_refused_before_it_comes(
    exchange: Subject, opcode: int
) -> None:
    """A frame that announces more than the worker takes ends the socket with 1009 at once."""
    announced = frame(opcode, b"")[:1] + b"\xff" + (2**62).to_bytes(8, "big") + b"mask"
    assert same(frames_of(exchange, "/echo", announced), [(CLOSE, b"\x03\xf1")])


@pytest.mark.parametrize("size", [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072])
def test_compressed_messages(exchange: Subject, size: int) -> None:
    """If compression is agreed on, messages of all sizes may be compressed and in fragments.

    These are Autobahn's groups 12 and 13, with messages in frames of 1 kB and pings between them.
    """
    data = (b'{"key": "a value that repeats"}, ' * (size // 32 + 1))[:size]
    packer = zlib.compressobj(wbits=-12)
    packed = (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    rest = [packed[at : at + 1024] for at in range(1024, len(packed), 1024)]
    offer = "permessage-deflate; client_max_window_bits; client_no_context_takeover"
    with exchange.address.connect() as client:
        client.sendall(handshake("/echo", f"Sec-WebSocket-Extensions: {offer}"))
        if b"Sec-WebSocket-Extensions: permessage-deflate" not in read_head(client):
            pytest.skip("the worker does not agree on compression")
        for _ in range(3):
            client.sendall(frame(TEXT, packed[:1024], fin=not rest, rsv=4))
            for index, part in enumerate(rest, 1):
                client.sendall(frame(PING, b"p"))
                client.sendall(frame(0, part, fin=index == len(rest)))
        frames = FrameStream(client).take(3 + 3 * len(rest))
    assert frames.count((PONG, b"p")) == 3 * len(rest)
    # 0x40 says that a message is compressed; the server may find that it does not pay.
    unpacked = [
        zlib.decompressobj(wbits=-15).decompress(payload) if opcode & 0x40 else payload
        for opcode, payload in frames
        if opcode & 0x0F == TEXT
    ]
    assert unpacked == [data] * 3


# -- ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "code"), [("/returns", 1000), ("/raises", 1011), ("/leaves", 1011)]
)
def test_end_of_the_application_is_that_of_the_socket(
    exchange: Subject, path: str, code: int
) -> None:
    """An application that returns closes its socket with 1000, and one that raises with 1011."""
    assert same(frames_of(exchange, path), [(CLOSE, code.to_bytes(2, "big"))])


def test_application_closes_with_its_code(exchange: Subject, told: Told) -> None:
    """The application closes with a code and a reason, which is cut between characters."""
    (closing,) = frames_of(exchange, "/closes?4001&%C3%A4")
    assert closing[1][:2] == b"\x0f\xa1"
    assert 100 <= len(closing[1][2:].decode()) <= 123
    assert frames_of(exchange, "/closes?1000&") == [(CLOSE, b"\x03\xe8")]
    wait_for(lambda: any("'code': 1000" in each for each in told.listen()), "its disconnect")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 5000])
def test_code_that_is_not_for_the_wire_is_refused(exchange: Subject, code: int) -> None:
    """A close code that RFC 6455 does not allow on the wire is the application's mistake."""
    assert same(frames_of(exchange, f"/closes?{code}&"), [(CLOSE, b"\x03\xf3")])


@pytest.mark.parametrize(
    "message",
    [
        *("{}", "{'text':'a','bytes':b'b'}", "{'text':b'a'}", "{'bytes':'a'}"),
        *("{'text':'%5Cud800'}", "{'type':'http.response.start'}", "{'type':None}"),
    ],
)
def test_wrong_message_ends_the_socket(exchange: Subject, message: str) -> None:
    """A message that is not allowed on a WebSocket raises in the application, and is logged."""
    errors = exchange.log.count("Traceback")
    frames = frames_of(exchange, f"/bad?{message}".replace("'", "%27"))
    assert same(frames, [(CLOSE, b"\x03\xf3")])
    exchange.wait_for_log("Traceback", count=errors + 1)


def test_lost_connection_is_1006_and_send_raises(exchange: Subject, told: Told) -> None:
    """The application is told 1006 of a lost connection, 1005 of no code, and send raises then."""
    with opened(exchange.address, "/gone") as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    told.wait("1006", "send raises OSError")
    with opened(exchange.address, "/gone") as client:
        client.sendall(close())
        assert frames_in(read_all(client)) == [(CLOSE, b"")]
    told.wait("1005")


def test_access_line_is_written_at_the_end(exchange: Subject) -> None:
    """The access line of a WebSocket is written at its end, with 101."""
    line = "101 3 GET /echo?line HTTP/1.1"
    with opened(exchange.address, "/echo?line") as client:
        client.sendall(frame(TEXT, b"abc"))
        receive_until(client, b"abc")
        assert line not in exchange.output
        client.sendall(close(1000))
        read_all(client)
    wait_for(lambda: line in exchange.output, "the access line")


# -- taking turns --------------------------------------------------------------------------


def test_pings_are_answered_while_the_application_is_busy(exchange: Subject, told: Told) -> None:
    """Pings are answered while messages wait for the application."""
    with opened(exchange.address, "/busy?ping") as client:
        told.wait("busy")
        client.sendall(frame(TEXT, b"x") * 5 + frame(PING, b"p"))
        assert receive_until(client, b"p") == b"\x8a\x01p"
        exchange.get("/go?ping")
        assert FrameStream(client).take(5) == [(TEXT, b"1")] * 5
