"""Neither side of a WebSocket can fill the memory of the worker, and many do not disturb it."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from corn_testkit.asgi.clients import reset, send_until_stopped, stopped_flood
from corn_testkit.asgi.frames import TEXT, FrameStream, close, frame, opened
from corn_testkit.asgi.told import Told
from corn_testkit.candidate import Subject
from corn_testkit.client import read_all

pytestmark = pytest.mark.corn_needs("asgi", "websocket")

MEBIBYTE = 1024 * 1024
MANY = 100


def test_application_that_does_not_receive_stops_its_socket(exchange: Subject, told: Told) -> None:
    """While the application does not receive, a client can send only so many messages."""
    with opened(exchange.address, "/busy?full") as client:
        told.wait("busy")
        data = memoryview(frame(TEXT, b"x" * 65536) * 1000)
        sent = send_until_stopped(client, data)
        assert sent < len(data) / 2, "all of them are in memory somewhere"
        exchange.get("/go?full")
        client.sendall(data[sent:])
        assert FrameStream(client).take(1000) == [(TEXT, b"65536")] * 1000


def test_socket_that_does_not_read_stops_the_application(exchange: Subject, told: Told) -> None:
    """While a client does not read its messages, send waits, and it ends when the client leaves."""
    with opened(exchange.address, "/flood") as client:
        told.wait("floods")
        sent = stopped_flood(lambda: int(exchange.get("/flooded")))
        assert 0 < sent < 16 * MEBIBYTE, "all of it is in memory somewhere"
        reset(client)
        told.wait("flood ends")


def test_many_sockets_are_open_at_once(exchange: Subject) -> None:
    """Many sockets are open at once, and each has its own answers."""
    with ExitStack() as stack:
        clients = [stack.enter_context(opened(exchange.address)) for _ in range(MANY)]
        for number, client in enumerate(clients):
            client.sendall(frame(TEXT, b"%d" % number))
        for number, client in enumerate(clients):
            assert FrameStream(client).take(1) == [(TEXT, b"%d" % number)]
            client.sendall(close(1000))
        for client in clients:
            assert len(read_all(client)) == 4
    assert exchange.get("/hello") == "hello"
