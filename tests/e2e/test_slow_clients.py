"""Clients that send or read slowly wait by themselves; the only worker serves the others."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from corn_testkit.client import parse, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server

COUNT = 30
KIBIBYTE = 1024


@contextmanager
def clients(server: Server, receive_buffer: int = 0) -> Iterator[list[socket.socket]]:
    """Many connections; their receive buffer, when given, is set before they connect."""
    with ExitStack() as stack:
        opened = []
        for _ in range(COUNT):
            if receive_buffer:
                client = stack.enter_context(socket.socket())
                client.settimeout(30)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
                client.connect(("127.0.0.1", server.address.port))
            else:
                client = stack.enter_context(server.address.connect())
            opened.append(client)
        yield opened


@pytest.mark.parametrize(
    ("beginning", "rest", "answer"),
    [
        (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "hello"),
        (b"G", b"ET / HTTP/1.1\r\nHost: x\r\n\r\n", "hello"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n", "hello"),
        (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n",
            b"whole",
            "whole",
        ),
        (
            b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwho",
            b"le\r\n0\r\n\r\n",
            "whole",
        ),
    ],
    ids=["silence", "line", "head", "body", "chunk"],
)
def test_slow_sender(serve: Serve, beginning: bytes, rest: bytes, answer: str) -> None:
    server = serve("--header-timeout=0", "--body-timeout=0", "probe:app")
    with clients(server) as slow:
        for client in slow:
            client.sendall(beginning)
        assert server.get() == "hello"
        for client in slow:
            client.sendall(rest)
            assert parse(read_all(client)).text == answer
    server.stop()


def test_dribbled_request(serve: Serve) -> None:
    """Many requests, a byte of each at a time; others are served in between."""
    server = serve("probe:app")
    request = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nwhole"
    with clients(server) as slow:
        for position in range(len(request)):
            for client in slow:
                client.sendall(request[position : position + 1])
            if position % 10 == 0:
                assert server.get() == "hello"
        for client in slow:
            assert parse(read_all(client)).text == "whole"
    server.stop()


def test_slow_reader(serve: Serve) -> None:
    server = serve("--write-timeout=0", "probe:app")
    size = 4096
    with clients(server, receive_buffer=8 * KIBIBYTE) as slow:
        for client in slow:
            client.sendall(b"GET /large?q=%d HTTP/1.1\r\nHost: x\r\n\r\n" % size)
        assert server.get() == "hello"
        expected = b"".join(b"%1023d\n" % number for number in range(size))
        for client in slow[:5]:
            assert parse(read_all(client)).body == expected
        # The others leave in the middle.
    assert server.get() == "hello"
    server.stop()


def test_reader_that_takes_nothing_is_given_up(serve: Serve) -> None:
    server = serve("--write-timeout=1", "--graceful-timeout=60", "probe:app")
    with clients(server, receive_buffer=8 * KIBIBYTE) as slow:
        for client in slow:
            client.sendall(b"GET /large?q=16384 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert server.get() == "hello"
        # Draining lasts until the worker has given up all of them, long before it is killed.
        server.stop()


def test_clients_that_vanish_do_no_harm(serve: Serve) -> None:
    server = serve("probe:app")
    (worker,) = server.wait_for_workers(1)
    for request in (b"", b"GET /", b"GET /large?q=4096 HTTP/1.1\r\nHost: x\r\n\r\n"):
        with clients(server) as leaving:
            for client in leaving:
                client.sendall(request)
                # A reset instead of an orderly end.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server.get("/pid") == str(worker)
    server.stop()
