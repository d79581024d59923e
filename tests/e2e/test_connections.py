"""Connections that carry several requests, on the selector driver with keep-alive on."""

from __future__ import annotations

import socket
from pathlib import Path
from signal import SIGTERM

import pytest

from corn_testkit.client import parse_all, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

WORKER = ("-k", "keepalive.KeepAliveWorker")


def get(path: str, *fields: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: x", *fields, "", ""]
    return "\r\n".join(lines).encode()


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def receive_until(client: socket.socket, end: bytes) -> bytes:
    received = b""
    while not received.endswith(end):
        piece = client.recv(65536)
        assert piece, f"closed after {received!r}"
        received += piece
    return received


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve(*WORKER, "--keep-alive", "30", "keepalive:app")


def test_one_connection_carries_requests_one_after_another(server: Server) -> None:
    with server.address.connect() as client:
        for number in range(3):
            client.sendall(get(f"/{number}"))
            reply = receive_until(client, f"/{number} ".encode())
            assert b"Connection:" not in reply
        client.sendall(get("/last", "Connection: close"))
        assert read_all(client).endswith(b"/last ")


def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    paths = [f"/{number}" for number in range(50)]
    requests = b"".join(post(path, path.encode() * 20) for path in paths)
    replies = parse_all(server.raw(requests + get("/end", "Connection: close")))
    expected = [path.encode() + b" " + path.encode() * 20 for path in paths] + [b"/end "]
    assert [reply.body for reply in replies] == expected


def test_a_request_that_arrives_byte_by_byte_is_whole(server: Server) -> None:
    with server.address.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in post("/slow", b"body"):
            client.sendall(bytes([byte]))
        assert receive_until(client, b"body").endswith(b"/slow body")


def test_an_http_1_0_client_is_kept_only_when_it_asks(server: Server) -> None:
    with server.address.connect() as client:
        client.sendall(get("/a", "Connection: keep-alive", version="1.0"))
        assert b"Connection: keep-alive\r\n" in receive_until(client, b"/a ")
        client.sendall(get("/b", version="1.0"))
        assert read_all(client).endswith(b"/b ")


def test_nothing_is_read_after_an_error(server: Server) -> None:
    replies = parse_all(server.raw(get("/a") + b"NONSENSE\r\n\r\n" + get("/b")))
    assert [reply.status for reply in replies] == [200, 400]
    assert replies[1].header("connection") == "close"


def test_an_idle_connection_is_closed_after_keepalive(serve: Serve) -> None:
    server = serve(*WORKER, "--keep-alive", "1", "keepalive:app")
    with server.address.connect() as client:
        client.sendall(get("/"))
        assert read_all(client).endswith(b"/ ")


def test_a_stray_line_end_after_a_body_does_not_keep_a_connection(serve: Serve) -> None:
    server = serve(*WORKER, "--keep-alive", "1", "--header-timeout", "0", "keepalive:app")
    with server.address.connect() as client:
        client.sendall(post("/", b"body") + b"\r\n")
        assert read_all(client).endswith(b"/ body")


def test_keepalive_0_closes_after_the_response(serve: Serve) -> None:
    server = serve(*WORKER, "--keep-alive", "0", "keepalive:app")
    assert b"Connection: close\r\n" in server.raw(get("/"))


def test_a_chunked_response_ends_without_the_connection(serve: Serve) -> None:
    server = serve(*WORKER, "--keep-alive", "30", "keepalive:stream")
    replies = parse_all(server.raw(get("/") + get("/", "Connection: close")))
    assert [reply.body for reply in replies] == [b"one two", b"one two"]


def test_a_draining_worker_answers_a_kept_connection_and_closes_it(server: Server) -> None:
    with server.address.connect() as client:
        client.sendall(get("/a"))
        receive_until(client, b"/a ")
        server.signal(SIGTERM)
        server.wait_for_log("Handling signal: term")
        client.sendall(get("/b"))
        reply = read_all(client)
    assert reply.endswith(b"/b ")
    assert b"Connection: close\r\n" in reply
    server.wait()


def test_every_connection_is_let_go(server: Server) -> None:
    (worker,) = server.wait_for_workers(1)
    # Its own connection is gone when its end has been read.
    server.raw(get("/", "Connection: close"))
    before = open_descriptors(worker)
    clients = [server.address.connect() for _ in range(50)]
    for client in clients:
        client.sendall(get("/"))
        receive_until(client, b"/ ")
    assert open_descriptors(worker) == before + 50
    for client in clients:
        client.close()
    wait_for(lambda: open_descriptors(worker) == before, "the descriptors to be closed")


def open_descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
