"""The protocol driver: corn's connections in an event loop, the application there or in threads.

With epoll it is what the tornado and the aiohttp worker have, and so the conformance kit's to test.
"""

from __future__ import annotations

import socket
from signal import SIGTERM

from corn_testkit.client import get, parse_all, post, read_all, receive_until
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from tests.e2e.own import APPS

WITHOUT_EPOLL = ("-k", "looped.WithoutEpoll", "--threads=4", "--keep-alive=30", "looped:app")
POOLED = ("-k", "looped.Pooled", "--threads=2", "--keep-alive=30", "looped:app")
SIZE = 4 * 1024 * 1024


def test_connections_without_epoll_carry_requests_in_order(serve: Serve) -> None:
    server = serve(*WITHOUT_EPOLL, cwd=APPS)
    with server.address.connect() as client:
        for number in range(3):
            client.sendall(post(f"/{number}", b"body"))
            receive_until(client, f"/{number} body".encode())
        # More than one read of the socket takes.
        paths = [f"/{number}" for number in range(40)]
        requests = b"".join(post(path, path.encode() * 2000) for path in paths)
        client.sendall(requests + get("/end", "Connection: close"))
        replies = parse_all(read_all(client))
    assert [reply.body.partition(b" ")[0].decode() for reply in replies] == [*paths, "/end"]
    server.stop()


def test_a_client_that_reads_late_gets_all_of_it_without_epoll(serve: Serve, gate: Gate) -> None:
    gate.open()
    server = serve(*WITHOUT_EPOLL, cwd=APPS)
    with server.address.connect() as slow:
        slow.sendall(get(f"/parts?{gate.fifo}", "Connection: close"))
        gate.entered()
        gate.open()
        assert server.get("/other") == "/other "
        (reply,) = parse_all(read_all(slow))
    assert reply.body == b"x" * SIZE + b"end"
    server.stop()


def test_a_draining_worker_without_epoll_answers_and_closes(serve: Serve) -> None:
    server = serve(*WITHOUT_EPOLL, cwd=APPS)
    with server.address.connect() as client:
        client.sendall(get("/a"))
        receive_until(client, b"/a ")
        server.signal(SIGTERM)
        server.wait_for_log("Handling signal: term")
        client.sendall(get("/b"))
        assert b"Connection: close\r\n" in read_all(client)
    server.wait()


def test_a_stop_is_noticed_without_the_wakeup_descriptor(serve: Serve) -> None:
    server = serve("-k", "looped.Inline", "looped:app", cwd=APPS)
    assert server.get("/deaf") == "/deaf "
    server.stop()


def test_what_a_client_left_is_sent_while_the_application_waits(serve: Serve, gate: Gate) -> None:
    server = serve(*POOLED, cwd=APPS)
    with socket.socket() as client:
        client.settimeout(15)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        client.connect(("127.0.0.1", server.address.port))
        client.sendall(get(f"/parts?{gate.fifo}"))
        # The application has given all of it, far more than the socket holds, and now waits.
        gate.entered()
        received = 0
        while received < SIZE:
            piece = client.recv(65536)
            assert piece
            received += piece.count(b"x")
        gate.open()
        receive_until(client, b"end\r\n0\r\n\r\n")
        # And then the connection is as good as any.
        client.sendall(get("/next", "Connection: close"))
        assert b"/next " in read_all(client)
    server.stop()


def test_a_full_spool_holds_a_thread_and_nobody_else(serve: Serve, gate: Gate) -> None:
    server = serve("--limit-response-spool=0", *POOLED, cwd=APPS)
    with server.address.connect() as slow:
        slow.sendall(get(f"/parts?{gate.fifo}", "Connection: close"))
        for _ in range(20):
            assert server.get("/other") == "/other "
        received = receive_until(slow, b"x")
        gate.entered()
        gate.open()
        (reply,) = parse_all(received + read_all(slow))
    assert len(reply.body) == SIZE + 3
    server.stop()


def test_the_application_has_threads_of_its_own(serve: Serve) -> None:
    server = serve(*POOLED, cwd=APPS)
    assert server.get("/thread") == "corn-app-1"
    server.stop()
