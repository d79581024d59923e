"""HTTP under the asgi worker, octet by octet, on each event loop."""

from __future__ import annotations

import ast
import json
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corn_testkit.client import get, parse, parse_all, post, read_all, receive_until
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

APPS = Path(__file__).with_name("apps")
Told = Callable[..., list[str]]

CLOSE = "Connection: close"
SOURCE = (APPS / "asgi_probe.py").read_bytes()


@contextmanager
def held(probe: Server, told: Told, request: bytes, event: str) -> Iterator[socket.socket]:
    """Give a client whose request is in the application, which has told so."""
    with probe.address.connect() as client:
        client.sendall(request)
        told(event)
        yield client


def reset(client: socket.socket) -> None:
    """Close with a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


# -- requests ------------------------------------------------------------------------------


def test_the_scope_of_a_connection(probe: Server) -> None:
    with probe.address.connect() as client:
        client.sendall(get("/scope?a=%20", "X-A: 1", CLOSE))
        scope = ast.literal_eval(parse(read_all(client)).text)
        assert scope["client"] == client.getsockname() or scope["client"][0] == "127.0.0.1"
    assert scope["server"] == ("127.0.0.1", probe.address.port)
    assert scope["query_string"] == b"a=%20"
    assert "state" not in scope  # this application knows no lifespan
    assert "tls" not in scope["extensions"]


def test_keep_alive_and_pipelining(probe: Server) -> None:
    requests = [get("/hello"), post("/echo", b"one"), get("/hello"), post("/length", b"x" * 9)]
    replies = parse_all(probe.raw(b"".join(requests) + get("/hello", CLOSE)))
    assert [reply.text for reply in replies] == ["hello", "one", "hello", "9", "hello"]
    assert replies[-1].header("Connection") == "close"


def test_octet_by_octet(probe: Server) -> None:
    chunked = "Transfer-Encoding: chunked"
    data = get("/echo", chunked, CLOSE) + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: x\r\n\r\n"
    with probe.address.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(data)):
            client.sendall(data[index : index + 1])
        assert parse(read_all(client)).text == "abcde"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"NONSENSE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", 400),
        (b"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        (post("/length", b"", "Transfer-Encoding: chunked"), 400),
        (get("/length", "Content-Length: 99999999999999999999"), 400),
        (get("/length", "Transfer-Encoding: chunked") + b"10000000000000000\r\n", 400),
        (get("/length", "Transfer-Encoding: chunked") + b"3\r\nabcX\r\n", 400),
        (get("/length", "Transfer-Encoding: chunked") + b"x\r\n", 400),
        (get("/hello", "Expect: tea"), 417),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (get("/hello", *(f"A{n}: b" for n in range(200))), 431),
        (get("/hello", "A: " + "b" * 9000), 431),
    ],
)
def test_bad_requests(probe: Server, data: bytes, status: int) -> None:
    reply = parse(probe.raw(data))
    assert reply.status == status
    assert reply.header("Connection") == "close"


def test_a_good_request_is_answered_before_a_bad_one(probe: Server) -> None:
    replies = parse_all(probe.raw(get("/hello") + b"NONSENSE\r\n\r\n" + get("/hello")))
    assert [reply.status for reply in replies] == [200, 400]


def test_a_body_that_turns_bad_is_told_to_both(probe: Server, told: Told) -> None:
    reply = parse(probe.raw(get("/length", "Transfer-Encoding: chunked") + b"1\r\na\r\nX\r\n"))
    assert reply.status == 400
    told("disconnect in the body")
    wait_for(lambda: "400 " in probe.output.splitlines()[-2], "its access line")


def test_http_1_0(probe: Server) -> None:
    reply = probe.raw(get("/hello", version="1.0"))
    assert b"Content-Length: 5\r\n" in reply
    assert b"Connection: close\r\n" in reply
    probe.get("/go?ten")
    reply = probe.raw(get("/stream?ten", version="1.0"))
    assert b"chunked" not in reply
    assert reply.endswith(b"\r\n\r\nfirstlast")
    reply = probe.raw(get("/hello", "Connection: keep-alive", version="1.0") + get("/hello", CLOSE))
    assert reply.count(b"hello") == 2


def test_upgrade_in_http_1_0_is_ignored(probe: Server) -> None:
    fields = ("Upgrade: websocket", "Connection: upgrade", "Sec-WebSocket-Version: 13")
    assert parse(probe.raw(get("/hello", *fields, version="1.0"))).text == "hello"


def test_upgrade_to_something_else_is_ignored(probe: Server) -> None:
    assert (
        parse(probe.raw(get("/hello", "Upgrade: h2c", "Connection: upgrade, close"))).text
        == "hello"
    )


def test_100_continue_comes_when_the_body_is_asked_for(probe: Server, told: Told) -> None:
    head = post("/late?continue", b"12345", "Expect: 100-continue", CLOSE)[:-5]
    with held(probe, told, head, "holds") as client:
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(1)
        client.settimeout(60)
        probe.get("/go?continue")
        assert receive_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"12345")
        assert parse(read_all(client)).text == "5"


def test_no_100_without_interest(probe: Server) -> None:
    reply = probe.raw(post("/hello", b"12345", "Expect: 100-continue")[:-5])
    assert parse(reply).header("Connection") == "close"
    assert b"100" not in reply


def test_a_body_that_was_not_taken(probe: Server) -> None:
    replies = parse_all(probe.raw(post("/hello", b"x" * 300_000) + get("/hello", CLOSE)))
    assert [reply.text for reply in replies] == ["hello", "hello"]


def test_a_large_body_both_ways(probe: Server) -> None:
    body = bytes(range(256)) * 20_000
    assert probe.request("POST", "/echo", body).body == body


# -- responses -----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [204, 304])
def test_responses_without_a_body(probe: Server, status: int) -> None:
    data = probe.raw(get(f"/empty?{status}") + get("/hello", CLOSE))
    first, _, rest = data.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 %d " % status)
    assert b"Transfer-Encoding" not in first
    assert rest.startswith(b"HTTP/1.1 200 OK\r\n")


def test_head(probe: Server) -> None:
    data = probe.raw(b"HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" + get("/hello", CLOSE))
    assert data.count(b"Content-Length: 5\r\n") == 2
    assert data.count(b"\r\n\r\nhello") == 1


def test_the_first_part_leaves_at_once(probe: Server) -> None:
    with probe.address.connect() as client:
        client.sendall(get("/stream?first", CLOSE))
        assert receive_until(client, b"5\r\nfirst\r\n")
        probe.get("/go?first")
        assert read_all(client) == b"4\r\nlast\r\n0\r\n\r\n"


def test_early_hints(probe: Server) -> None:
    data = probe.raw(get("/hints", CLOSE))
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\n"
    assert data.startswith(hint)


def test_trailers(probe: Server) -> None:
    assert probe.raw(get("/trailers", CLOSE)).endswith(b"4\r\nbody\r\n0\r\nx-sum: 5\r\n\r\n")


def test_files(probe: Server) -> None:
    reply = parse(probe.raw(get("/file") + get("/file", CLOSE)))
    assert reply.body == SOURCE
    assert reply.header("Content-Length") == str(len(SOURCE))
    expected = SOURCE[4:10] + SOURCE[:3] + b"end"
    assert parse(probe.raw(get("/zerocopy", CLOSE))).body == expected


def test_a_file_that_is_not_there(probe: Server) -> None:
    assert parse(probe.raw(get("/file?/nothing/there", CLOSE))).status == 500
    assert parse(probe.raw(get("/file?relative", CLOSE))).status == 500


# -- applications that do wrong ------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/none", r"Request GET /none was not answered: the application returned"),
        ("/crash", "ValueError: crashed early"),
        ("/leave", "SystemExit: one request wants to leave"),
        ("/cancelled", "Request GET /cancelled was cancelled"),
        ("/text", "BadMessage: 'body' of http.response.body must be bytes, not str"),
        ("/headers", "BadMessage: 'headers' of http.response.start must be pairs of bytes"),
        ("/split", "BadMessage: http.response.start: control character"),
    ],
)
def test_a_failure_before_the_response(probe: Server, path: str, logged: str) -> None:
    reply = parse(probe.raw(get(path)))
    assert reply.status == 500
    assert "Its error log says why" in reply.text
    assert reply.header("Connection") == "close"
    probe.wait_for_log(logged)


@pytest.mark.parametrize("path", ["/half", "/crash-late"])
def test_a_failure_in_the_middle_shows(probe: Server, path: str) -> None:
    assert probe.raw(get(path)).endswith(b"4\r\nhalf\r\n")
    # Where only the end of the connection ends the body, that end is a reset.
    with probe.address.connect() as client:
        client.sendall(get(path, version="1.0"))
        with pytest.raises(ConnectionResetError):
            while client.recv(65536):
                pass


def test_lengths_that_are_not_kept(probe: Server) -> None:
    assert probe.raw(get("/short")).endswith(b"\r\n\r\nshort")
    assert probe.raw(get("/long")).endswith(b"\r\n\r\ntoo")
    probe.wait_for_log("Response to /short has a body of 5 bytes, and Content-Length: 10")
    probe.wait_for_log("Response to /long has a body of 8 bytes or more, and Content-Length: 3")


def test_a_mistake_that_is_mended(probe: Server) -> None:
    assert "must be 200 to 999" in probe.get("/swallowed")


def test_an_application_does_not_frame(probe: Server) -> None:
    data = probe.raw(get("/framing", CLOSE))
    assert b"gzip" not in data
    assert b"x: y\r\n" in data


def test_a_task_that_wants_to_leave_takes_no_one_with_it(probe: Server) -> None:
    assert probe.get("/leave-in-a-task") == "started"
    probe.wait_for_log("A task of the application wanted the process to exit")
    assert probe.get("/hello") == "hello"


# -- clients that leave --------------------------------------------------------------------


def test_a_disconnect_is_told_at_once(probe: Server, told: Told) -> None:
    with held(probe, told, get("/gone?one"), "reads") as client:
        reset(client)
        told("http.disconnect")
        probe.get("/go?one")
        told("OSError ClientGone")
    wait_for(lambda: "499 0 GET /gone?one HTTP/1.1" in probe.output, "its access line")
    assert "Error handling request /gone?one" not in probe.log


def test_a_client_that_closes_only_its_side_gets_its_answer(probe: Server, told: Told) -> None:
    with held(probe, told, get("/wait?half"), "waits") as client:
        client.shutdown(socket.SHUT_WR)
        probe.get("/go?half")
        assert parse(read_all(client)).text == "waited"


def test_a_body_that_breaks_off(probe: Server, told: Told) -> None:
    since = len(probe.log)
    with probe.address.connect() as client:
        client.sendall(post("/length", b"x" * 100)[:-50])
        client.shutdown(socket.SHUT_WR)
        told("disconnect in the body")
        assert client.recv(1) == b""
    assert "was not answered" not in probe.log[since:], "the application is not to blame"


def test_disconnect_comes_right_after_the_response(probe: Server, told: Told) -> None:
    assert probe.get("/after") == "done"
    heard = told("http.disconnect", "http.disconnect")
    assert "suspended" not in heard


def test_code_after_the_response_goes_on(probe: Server, told: Told) -> None:
    assert probe.get("/background?run") == "done"
    probe.get("/go?run")
    told("background")


# -- backpressure --------------------------------------------------------------------------


def test_a_client_that_does_not_read_stops_the_application(probe: Server, told: Told) -> None:
    with held(probe, told, get("/flood"), "floods") as client:
        seen = [-1]

        def stands_still() -> bool:
            seen.append(int(probe.get("/flooded")))
            return len(seen) > 20 and len(set(seen[-20:])) == 1

        wait_for(stands_still, "the application to stop")
        assert 0 < seen[-1] < 16 * 1024 * 1024
        reset(client)
        told("flood ends")


def test_an_application_that_does_not_receive_stops_the_client(probe: Server, told: Told) -> None:
    size = 64 * 1024 * 1024
    head = f"POST /late?stop HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{CLOSE}\r\n\r\n"
    with held(probe, told, head.encode(), "holds") as client:
        client.settimeout(1)
        sent = 0
        piece = bytes(65536)
        with pytest.raises(TimeoutError):
            while sent < size:
                sent += client.send(piece)
        assert sent < size / 2
        client.settimeout(60)
        probe.get("/go?stop")
        while sent < size:
            sent += client.send(piece[: size - sent])
        assert parse(read_all(client)).text == str(size)


# -- asyncio -------------------------------------------------------------------------------


def test_tasks_timeouts_and_context(probe: Server) -> None:
    with probe.address.connect() as client:
        client.sendall(get("/asyncio-works") + get("/asyncio-works", CLOSE))
        replies = [json.loads(reply.text) for reply in parse_all(read_all(client))]
    for reply in replies:
        assert reply[:-1] == ["asyncio", "unset", True, True, True, "set"]
    # Libraries keep state by task: each call has its own.
    assert replies[0][-1] != replies[1][-1]
