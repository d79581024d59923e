"""WebSockets under the asgi worker, frame by frame, with raw clients."""

from __future__ import annotations

import ast
import json
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGTERM

import pytest

from corn_testkit.asgi.cases import CASES
from corn_testkit.asgi.frames import (
    ACCEPT,
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Case,
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
from corn_testkit.asgi.serving import serving
from corn_testkit.client import get, parse, read_all, receive_until
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

APPS = Path(__file__).with_name("apps")
ASGI = ("--worker-class=asgi", "--access-logfile=-", "--access-logformat=%(s)s %(B)s %(r)s")

Told = Callable[..., None]


@pytest.fixture(scope="module", params=["asyncio", "uvloop"])
def sockets(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    loop = f"--asgi-loop={request.param}"
    with serving(tmp_path_factory.mktemp("ws"), APPS, *ASGI, loop, "asgi_sockets:app") as server:
        yield server


@pytest.fixture
def told(sockets: Server) -> Told:
    """Wait until the application has told an event."""
    heard: list[str] = []
    sockets.get("/events")

    def wait(event: str) -> None:
        def there() -> bool:
            heard.extend(json.loads(sockets.get("/events")))
            return event in heard

        wait_for(there, f"{event!r}, among {heard}")
        heard.remove(event)

    return wait


def frames_of(server: Server, path: str, *sent: bytes) -> list[tuple[int, bytes]]:
    """Return all frames that a socket gets which sends these."""
    with opened(server.address, path) as client:
        client.sendall(b"".join(sent))
        return FrameStream(client).rest()


# -- the protocol --------------------------------------------------------------------------


def test_every_case(sockets: Server) -> None:
    """Run the table over one server; in one test, since each case takes a few milliseconds."""
    wrong = {}
    for case in CASES:
        with opened(sockets.address) as client:
            got = run_on(client, case)
        if not case.accepts(got):
            wrong[case.name] = [(op, data[:50]) for op, data in got]
    assert not wrong


def test_the_table_bites(sockets: Server) -> None:
    with opened(sockets.address) as client:
        case = Case("wrong", (frame(TEXT, b"a"),), [(TEXT, b"b")])
        assert not case.accepts(run_on(client, case))


# -- the handshake -------------------------------------------------------------------------


def test_the_answer(sockets: Server) -> None:
    with sockets.address.connect() as client:
        client.sendall(handshake())
        head = read_head(client)
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Connection: Upgrade\r\nUpgrade: websocket\r\n" in head
    assert f"Sec-WebSocket-Accept: {ACCEPT}\r\n".encode() in head
    assert b"Content-Length" not in head
    assert b"Transfer-Encoding" not in head


def test_frames_that_come_with_the_handshake_are_frames(sockets: Server) -> None:
    text = b"GET / HTTP/1.1\r\n\r\n"
    with sockets.address.connect() as client:
        client.sendall(handshake() + frame(TEXT, text))
        data = b""
        while data.count(b"\r\n\r\n") < 2:
            data += client.recv(65536)
    assert data.endswith(frame(TEXT, text, mask=False))


def test_frames_before_the_answer_wait(sockets: Server, told: Told) -> None:
    with sockets.address.connect() as client:
        client.sendall(handshake("/late?before") + frame(TEXT, b"early"))
        told("late")
        sockets.get("/go?before")
        read_head(client)
        frames = FrameStream(client).rest()
    assert frames == [(TEXT, b"early"), (CLOSE, b"\x03\xe8")]


def test_the_scope(sockets: Server) -> None:
    fields = ("Sec-WebSocket-Protocol: a, b", "X-A: 1", "Sec-WebSocket-Protocol: c")
    with opened(sockets.address, "/scope?x=%20", *fields) as client:
        scope = ast.literal_eval(FrameStream(client).rest()[0][1].decode())
    assert scope["type"] == "websocket"
    assert scope["scheme"] == "ws"
    assert (scope["path"], scope["query_string"]) == ("/scope", b"x=%20")
    assert scope["subprotocols"] == ["a", "b", "c"]
    assert (b"x-a", b"1") in scope["headers"]
    assert scope["extensions"] == {"websocket.http.response": {}}
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
def test_bad_handshakes(sockets: Server, old: str, new: str, status: int) -> None:
    data = handshake().replace(old.encode(), new.encode())
    assert data != handshake()
    reply = parse(sockets.raw(data))
    assert reply.status == status
    if status == 426:
        assert reply.header("Sec-WebSocket-Version") == "13"


def test_a_subprotocol(sockets: Server) -> None:
    fields = ("Sec-WebSocket-Protocol: one", "Sec-WebSocket-Protocol: two")
    with sockets.address.connect() as client:
        client.sendall(handshake("/subprotocol", *fields))
        head = read_head(client)
    assert b"Sec-WebSocket-Protocol: two\r\n" in head
    assert b"x-mine: 1\r\n" in head
    assert b"forged" not in head
    # One that the client does not offer is the application's mistake.
    reply = parse(sockets.raw(handshake("/subprotocol?three", *fields)))
    assert reply.status == 500
    sockets.wait_for_log("BadMessage: the client does not offer subprotocol 'three'")


@pytest.mark.parametrize(
    ("path", "status"), [("/refuses", 403), ("/ignores", 403), ("/fails", 500)]
)
def test_handshakes_that_are_not_accepted(sockets: Server, path: str, status: int) -> None:
    reply = parse(sockets.raw(handshake(path) + frame(TEXT, b"x")))
    assert reply.status == status
    wait_for(lambda: f"{status} {len(reply.body)} GET {path} " in sockets.output, "its line")


def test_a_denial_response(sockets: Server) -> None:
    data = sockets.raw(handshake("/denies"))
    reply = parse(data)
    assert (reply.status, reply.text, reply.header("x-a")) == (401, "not you", "b")
    assert b"Transfer-Encoding: chunked\r\n" in data
    assert data.endswith(b"0\r\n\r\n")


def test_upgrade_behind_a_request_in_the_pipeline(sockets: Server) -> None:
    data = sockets.raw(get("/events") + handshake() + close(1000))
    assert data.index(b"200 OK") < data.index(b"101 Switching")
    assert data.endswith(b"\x88\x02\x03\xe8")


# -- compression ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "accepted"),
    [
        ("permessage-deflate", True),
        ("permessage-deflate; client_max_window_bits", True),
        ("permessage-deflate; client_max_window_bits=10; server_max_window_bits=10", True),
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", True),
        ("permessage-deflate; unknown, permessage-deflate", True),
        ("x-unknown, permessage-deflate", True),
        ("permessage-deflate; server_max_window_bits=7", False),
        ("permessage-deflate; server_max_window_bits=16", False),
        ("permessage-deflate; server_max_window_bits", False),
        ("permessage-deflate; client_no_context_takeover=1", False),
        ("permessage-deflate; client_max_window_bits; client_max_window_bits", False),
        ("permessage-deflate; unknown", False),
        ("permessage-deflate;;", False),
        ("x-webkit-deflate-frame", False),
    ],
)
def test_offers_of_compression(sockets: Server, offer: str, accepted: bool) -> None:
    with sockets.address.connect() as client:
        client.sendall(handshake("/echo", f"Sec-WebSocket-Extensions: {offer}"))
        head = read_head(client)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert (b"Sec-WebSocket-Extensions: permessage-deflate" in head) == accepted


@pytest.mark.parametrize("size", [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072])
def test_compressed_messages(sockets: Server, size: int) -> None:
    """Autobahn's groups 12 and 13: sizes, and messages in frames of 1 kB."""
    data = (b'{"key": "a value that repeats"}, ' * (size // 32 + 1))[:size]
    packer = zlib.compressobj(wbits=-12)
    packed = (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
    rest = [packed[at : at + 1024] for at in range(1024, len(packed), 1024)]
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    with opened(sockets.address, "/echo", offer) as client:
        for _ in range(3):
            client.sendall(frame(TEXT, packed[:1024], fin=not rest, rsv=4))
            for index, part in enumerate(rest, 1):
                client.sendall(frame(PING, b"p"))
                client.sendall(frame(0, part, fin=index == len(rest)))
        frames = FrameStream(client).take(3 + 3 * len(rest))
    assert frames.count((PONG, b"p")) == 3 * len(rest)
    texts = [payload for opcode, payload in frames if opcode == 0x41]
    assert [zlib.decompressobj(wbits=-15).decompress(one) for one in texts] == [data] * 3


# -- ends ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "code"), [("/returns", 1000), ("/raises", 1011), ("/leaves", 1011)]
)
def test_the_end_of_the_application_is_that_of_the_socket(
    sockets: Server, path: str, code: int
) -> None:
    assert frames_of(sockets, path) == [(CLOSE, code.to_bytes(2, "big"))]


def test_the_application_closes(sockets: Server, told: Told) -> None:
    frames = frames_of(sockets, "/closes?4001&%C3%A4")
    assert frames[0][1][:2] == b"\x0f\xa1"
    assert frames_of(sockets, "/closes?1000&") == [(CLOSE, b"\x03\xe8")]
    told(repr({"type": "websocket.disconnect", "code": 1000, "reason": ""}))


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 5000])
def test_codes_that_are_not_for_the_wire(sockets: Server, code: int) -> None:
    assert frames_of(sockets, f"/closes?{code}&") == [(CLOSE, b"\x03\xf3")]
    sockets.wait_for_log(f"BadMessage: close code {code} must not be sent")


@pytest.mark.parametrize(
    ("message", "logged"),
    [
        ("{}", "must have either 'text' or 'bytes'"),
        ("{'text':'a','bytes':b'b'}", "must have either 'text' or 'bytes'"),
        ("{'text':b'a'}", "'text' must be str, not bytes"),
        ("{'bytes':'a'}", "'bytes' must be bytes, not str"),
        (r"{'text':'\ud800'}", "'text' has surrogates"),
        ("{'type':'http.response.start'}", "expected websocket.send or websocket.close"),
    ],
)
def test_bad_messages(sockets: Server, message: str, logged: str) -> None:
    assert frames_of(sockets, f"/bad?{message}".replace('"', "%22")) == [(CLOSE, b"\x03\xf3")]
    sockets.wait_for_log(logged)


def test_a_lost_connection_is_1006_and_send_raises(sockets: Server, told: Told) -> None:
    with opened(sockets.address, "/gone") as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    told("1006")
    told("ClientGone")
    with opened(sockets.address, "/gone") as client:
        client.sendall(close())
        assert frames_in(read_all(client)) == [(CLOSE, b"")]
    told("1005")


def test_the_access_line_is_written_at_the_end(sockets: Server) -> None:
    line = "101 3 GET /echo?line HTTP/1.1"
    with opened(sockets.address, "/echo?line") as client:
        client.sendall(frame(TEXT, b"abc"))
        receive_until(client, b"abc")
        assert line not in sockets.output
        client.sendall(close(1000))
        read_all(client)
    wait_for(lambda: line in sockets.output, "the access line")


# -- backpressure and pings ----------------------------------------------------------------


def test_pings_are_answered_while_the_application_is_busy(sockets: Server, told: Told) -> None:
    with opened(sockets.address, "/busy?ping") as client:
        told("busy")
        client.sendall(frame(TEXT, b"x") * 5 + frame(PING, b"p"))
        assert receive_until(client, b"p") == b"\x8a\x01p"
        sockets.get("/go?ping")
        assert FrameStream(client).take(5) == [(TEXT, b"1")] * 5


def test_an_application_that_does_not_receive_stops_the_client(sockets: Server, told: Told) -> None:
    with opened(sockets.address, "/busy?full") as client:
        told("busy")
        client.settimeout(1)
        sent, message = 0, frame(TEXT, b"x" * 65536)
        data = memoryview(message * 1000)
        with pytest.raises(TimeoutError):
            while sent < len(data):
                sent += client.send(data[sent : sent + 65536])
        assert sent < len(data) / 2
        client.settimeout(60)
        sockets.get("/go?full")
        while sent < len(data):
            sent += client.send(data[sent : sent + 65536])
        assert FrameStream(client).take(1000) == [(TEXT, b"65536")] * 1000


def test_a_client_that_does_not_read_stops_the_application(sockets: Server, told: Told) -> None:
    with opened(sockets.address, "/flood") as client:
        told("floods")
        seen = [-1]

        def stands_still() -> bool:
            seen.append(int(sockets.get("/flooded")))
            return len(seen) > 20 and len(set(seen[-20:])) == 1

        wait_for(stands_still, "the application to stop")
        assert 0 < seen[-1] < 16 * 1024 * 1024
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    told("flood ends")


def test_limits_and_pings(serve: Serve) -> None:
    server = serve(
        *(*ASGI, "--websocket-max-message-size=100", "--no-websocket-compression"),
        *("--websocket-ping-interval=1", "--websocket-ping-timeout=1", "asgi_sockets:app"),
        cwd=APPS,
    )
    assert same(frames_of(server, "/echo", frame(BINARY, b"x" * 101)[:6]), [(CLOSE, b"\x03\xf1")])
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
    server.wait_for_log("lifespan.startup")
    wait_for(lambda: "1006 " in server.get("/events"), "the application to be told")


# -- the end of the worker -----------------------------------------------------------------


@pytest.mark.parametrize(("number", "code"), [(SIGTERM, 1001), (SIGHUP, 1012)])
def test_sockets_are_told_when_the_worker_stops(serve: Serve, number: int, code: int) -> None:
    server = serve(*ASGI, "--graceful-timeout=30", "asgi_sockets:app", cwd=APPS)
    with opened(server.address, "/stays") as client, server.address.connect():
        server.wait_for_log("socket opens")
        server.signal(number)  # type: ignore[arg-type]
        data = receive_until(client, code.to_bytes(2, "big"))
        assert frames_in(data) == [(CLOSE, code.to_bytes(2, "big"))]
        client.sendall(close(code))
        assert read_all(client) == b""
    server.wait_for_log("lifespan.shutdown")
    assert server.log.index(f"socket ends with {code}") < server.log.index("lifespan.shutdown")
    if number == SIGHUP:
        server.stop()
    else:
        server.wait()
    assert "101 0 GET /stays HTTP/1.1" in server.output
