"""Clients that send or read slowly wait by themselves; the only worker serves the others."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import parse, read_all, read_reply

COUNT = 20
CLOSE = b"Host: x\r\nConnection: close\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

WAITS = 5
TURNS = 100
"""How many of another client's requests may be served until a client has the place that is free."""


def readable(client: socket.socket) -> bool:
    return bool(select.select([client], [], [], 0)[0])


@contextmanager
def clients(
    subject: Subject, receive_buffer: int = 0, count: int = COUNT
) -> Iterator[list[socket.socket]]:
    """Many connections; their receive buffer, when given, is set before they connect."""
    with ExitStack() as stack:
        opened = []
        for _ in range(count):
            client = stack.enter_context(socket.socket())
            client.settimeout(30)
            if receive_buffer:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            client.connect(("127.0.0.1", subject.address.port))
            opened.append(client)
        yield opened


@pytest.mark.parametrize(
    ("beginning", "rest", "answer"),
    [
        (b"", b"GET / HTTP/1.1\r\n" + CLOSE + b"\r\n", "hello"),
        (b"G", b"ET / HTTP/1.1\r\n" + CLOSE + b"\r\n", "hello"),
        (b"GET / HTTP/1.1\r\n" + CLOSE, b"\r\n", "hello"),
        (b"POST /echo HTTP/1.1\r\n" + CLOSE + b"Content-Length: 5\r\n\r\n", b"whole", "whole"),
        (
            b"POST /echo HTTP/1.1\r\n" + CLOSE + b"Transfer-Encoding: chunked\r\n\r\n5\r\nwho",
            b"le\r\n0\r\n\r\n",
            "whole",
        ),
    ],
    ids=["silence", "line", "head", "body", "chunk"],
)
def test_slow_sender(shared: Subject, beginning: bytes, rest: bytes, answer: str) -> None:
    """Clients that send slowly do not delay others, and are answered in the end."""
    with clients(shared) as slow:
        for client in slow:
            client.sendall(beginning)
        assert shared.get() == "hello"
        for client in slow:
            client.sendall(rest)
            assert parse(read_all(client)).text == answer


def test_dribbled_requests(shared: Subject) -> None:
    """Clients that send a few bytes at a time do not delay others."""
    request = b"POST /echo HTTP/1.1\r\n" + CLOSE + b"Content-Length: 5\r\n\r\nwhole"
    with clients(shared) as slow:
        for position in range(0, len(request), 4):
            for client in slow:
                client.sendall(request[position : position + 4])
            if position % 20 == 0:
                assert shared.get() == "hello"
        for client in slow:
            assert parse(read_all(client)).text == "whole"


def test_slow_reader(shared: Subject) -> None:
    """Clients that read slowly do not delay others, and get all of their response."""
    size = 2048
    with clients(shared, receive_buffer=8192) as slow:
        for client in slow:
            client.sendall(b"GET /large?q=%d HTTP/1.1\r\n%b\r\n" % (size, CLOSE))
        assert shared.get() == "hello"
        expected = b"".join(b"%1023d\n" % number for number in range(size))
        for client in slow[:4]:
            assert parse(read_all(client)).body == expected
        # The others leave in the middle.
    assert shared.get() == "hello"


def test_reader_that_takes_nothing_is_given_up(start: Start) -> None:
    """A client that reads nothing is given up after write_timeout."""
    subject = start("--write-timeout=1", "--graceful-timeout=600")
    with clients(subject, receive_buffer=8192, count=4) as slow:
        for client in slow:
            client.sendall(b"GET /large?q=8192 HTTP/1.1\r\n%b\r\n" % CLOSE)
        assert subject.get() == "hello"
        # Draining lasts until the worker has given up all of them, long before it is killed.
        subject.stop()


def test_clients_that_vanish(shared: Subject) -> None:
    """Clients that reset their connection at any moment do not disturb the worker."""
    for request in (b"", b"GET /", b"GET /large?q=4096 HTTP/1.1\r\nHost: x\r\n\r\n"):
        with clients(shared) as leaving:
            for client in leaving:
                client.sendall(request)
                # A reset instead of an orderly end.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert shared.get() == "hello"


def test_more_clients_than_a_worker_takes(start: Start) -> None:
    """A worker that had worker_connections clients accepts again when they have left."""
    subject = start("--worker-connections=5")
    with clients(subject) as many:
        for client in many:
            client.sendall(b"GET / HTTP/1.1\r\n")
    assert [subject.get() for _ in range(3)] == ["hello"] * 3
    subject.stop()


@pytest.mark.corn_needs("keepalive")
def test_place_of_a_client_that_leaves_is_taken_at_once(start: Start) -> None:
    """At worker_connections, the next client is accepted as soon as another one has left."""
    places = 3
    subject = start(f"--worker-connections={places}", "--keep-alive=60")
    turns = 0
    with ExitStack() as stack:
        held = [stack.enter_context(subject.address.connect()) for _ in range(places)]
        for client in held:
            client.sendall(GET)
            assert read_reply(client).status == 200
        polite = held.pop()
        for _ in range(WAITS):
            waiting = stack.enter_context(subject.address.connect())
            waiting.sendall(GET)
            # It does not get in as long as all stay.
            polite.sendall(GET)
            assert read_reply(polite).status == 200
            assert not readable(waiting)
            held.pop(0).close()
            while not readable(waiting):
                polite.sendall(GET)
                assert read_reply(polite).status == 200
                turns += 1
            assert read_reply(waiting).status == 200
            held.append(waiting)
    # A worker that looks again after a second, say, serves hundreds meanwhile.
    assert turns < WAITS * TURNS
    subject.stop()
