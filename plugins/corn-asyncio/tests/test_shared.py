"""Connections that are lent to threads: the loop leaves them alone until they come back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from corn_asyncio.shared import SharedConnection
from corn_core.http import Limits, Request
from corn_core.net.address import TcpAddress
from corn_core.net.channel import PlainChannel
from corn_core.net.listener import Listener
from corn_core.serving.driver import FOREVER, Phase
from corn_core.serving.poller import NOTHING, READABLE, WRITABLE
from corn_core.serving.sendbuffer import MEMORY_LIMIT
from corn_core.serving.settings import ClientLimits

CLIENT_LIMITS = ClientLimits(
    http=Limits(),
    keepalive=5.0,
    header_timeout=5.0,
    body_timeout=5.0,
    write_timeout=5.0,
    spool_limit=64 * MEMORY_LIMIT,
    max_connections=10,
    tmp_dir=None,
)


class Lender:
    """A driver that lends and keeps account."""

    cycle: Any = None
    encryption = None
    log: Any = None
    connection_class = SharedConnection

    def __init__(self) -> None:
        self.limits = CLIENT_LIMITS
        self.connections: dict[int, Any] = {}
        self.masks: list[int] = []
        self.protocols: dict[str, Any] = {}
        self.lent: list[str] = []
        self.postponed: list[SharedConnection] = []
        self.suspended: list[int] = []

    def dispatch(self, connection: SharedConnection, request: Request, body: Any) -> None:
        connection.set_aside()
        self.lent.append(request.path)

    def take_back(self, connection: SharedConnection) -> None:
        connection.take_back()
        connection.finish(True)

    def postpone(self, connection: SharedConnection) -> None:
        self.postponed.append(connection)

    def set_interest(self, connection: SharedConnection, mask: int) -> None:
        self.connections[connection.fd] = connection
        self.masks.append(mask)

    def forget(self, connection: SharedConnection) -> None:
        del self.connections[connection.fd]

    def suspend(self, connection: SharedConnection) -> None:
        self.suspended.append(connection.fd)

    def flush(self, connection: SharedConnection) -> None:
        connection.start_flushing()

    def notify(self) -> None:
        raise AssertionError("no thread waits here")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, PlainChannel]]:
    client, server = socket.socketpair()
    client.settimeout(15)
    channel = PlainChannel(server.family, server.type, 0, server.detach())
    with client, closing(channel):
        yield client, channel


@pytest.fixture
def client(pair: tuple[socket.socket, PlainChannel]) -> socket.socket:
    return pair[0]


@pytest.fixture
def lender() -> Lender:
    return Lender()


@pytest.fixture
def connection(
    pair: tuple[socket.socket, PlainChannel], lender: Lender
) -> Iterator[SharedConnection]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listener = Listener(TcpAddress("127.0.0.1", 0), listening)
        driver: Any = lender
        yield SharedConnection(driver, listener, pair[1], "")


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def test_one_request_is_lent_at_a_time(
    client: socket.socket, lender: Lender, connection: SharedConnection
) -> None:
    client.sendall(get("/1") + get("/2"))
    connection.start()
    assert lender.lent == ["/1"]
    lender.take_back(connection)
    assert lender.postponed == [connection]
    # Before its turn comes, no more is read, however much there is.
    client.sendall(get("/3"))
    connection.on_event(READABLE)
    assert lender.lent == ["/1"]
    connection.go_on()
    assert lender.lent == ["/1", "/2"]
    lender.take_back(connection)
    assert lender.postponed == [connection]
    assert lender.masks[-1] == READABLE


def test_client_that_goes_on_sending_is_not_read_before_its_turn(
    client: socket.socket, lender: Lender, connection: SharedConnection
) -> None:
    connection.start()
    client.sendall(get("/1") + get("/2"))
    connection.on_event(READABLE)
    lender.take_back(connection)
    assert connection.phase is Phase.READY
    assert connection.deadline == FOREVER
    client.sendall(get("/3"))
    connection.on_event(READABLE)
    # It would be reported again and again.
    assert lender.masks == [READABLE, NOTHING]
    connection.go_on()
    assert lender.lent == ["/1", "/2"]
    lender.take_back(connection)
    assert lender.masks == [READABLE, NOTHING, READABLE]


def test_turn_of_a_connection_that_was_closed_is_over(
    client: socket.socket, lender: Lender, connection: SharedConnection
) -> None:
    client.sendall(get("/1") + get("/2"))
    connection.start()
    lender.take_back(connection)
    connection.close()
    connection.go_on()
    assert lender.lent == ["/1"]


def test_events_of_a_lent_connection_are_not_wanted(
    client: socket.socket, lender: Lender, connection: SharedConnection
) -> None:
    connection.start()
    client.sendall(get("/1"))
    connection.on_event(READABLE)
    client.sendall(get("/2"))
    connection.on_event(READABLE)
    assert lender.lent == ["/1"]
    assert lender.suspended == [connection.fd]
    assert not connection.interest
    lender.take_back(connection)
    assert connection.interest


def test_response_that_was_spooled_and_sent_leaves_its_file_to_the_next(
    client: socket.socket, lender: Lender, connection: SharedConnection
) -> None:
    client.sendall(get("/1"))
    connection.start()
    large = bytes(8 * MEMORY_LIMIT)
    for _ in range(2):
        connection.flushing = False
        connection.send(large)
        spooled, received = connection.send_buffer, 0
        while received < len(large):
            received += len(client.recv(65536))
            connection.on_event(WRITABLE)
        assert not connection.send_buffer
        assert connection.send_buffer is spooled
    connection.lent = False
    connection.close()


def test_a_lent_connection_is_not_idle(
    client: socket.socket, lender: Lender, connection: SharedConnection
) -> None:
    assert connection.idle
    client.sendall(get("/1"))
    connection.start()
    assert not connection.idle
    lender.take_back(connection)
    assert connection.idle


def test_a_lent_connection_stays_open_until_it_is_taken_back(
    client: socket.socket, lender: Lender, connection: SharedConnection
) -> None:
    client.sendall(get("/1"))
    connection.start()
    connection.close()
    # Its client sees the end; but the descriptor must not become that of another connection.
    assert client.recv(1) == b""
    assert connection.sock.fileno() == connection.fd
    connection.lent = False
    connection.close()
    assert connection.sock.fileno() == -1
