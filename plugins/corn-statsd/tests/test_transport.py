"""Datagrams, and what becomes of them when the server is slow, gone, new or elsewhere."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from corn_core.net.address import TcpAddress
from corn_statsd.board import CELLS, MASTER, Board
from corn_statsd.client import MAX_PACKET, StatsdClient
from corn_statsd.resolver import PATIENCE, Resolver
from corn_statsd.transport import Transport

Receiver = Callable[[int, object], socket.socket]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = []

    def make(family: int, address: object) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_DGRAM)
        opened.append(sock)
        sock.settimeout(10)
        sock.bind(address)  # type: ignore[arg-type]
        return sock

    yield make
    for sock in opened:
        sock.close()


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def transport(board: Board) -> Iterator[Transport]:
    made = Transport(board, 3)
    yield made
    made.close()


def silent(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        sock.recv(65536)
    except BlockingIOError:
        return True
    return False


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6, socket.AF_UNIX])
def test_datagrams_go_where_the_board_says(
    board: Board, transport: Transport, receiver: Receiver, tmp_path: Path, family: int
) -> None:
    transport.send(b"lost: there is no address yet")
    places: dict[int, tuple[object, object]] = {
        socket.AF_INET: (("127.0.0.1", 0), ("127.0.0.1", 0)),
        socket.AF_INET6: (("::1", 0), ("::1", 0)),
        socket.AF_UNIX: (str(tmp_path / "one"), str(tmp_path / "two")),
    }
    one, two = (receiver(family, place) for place in places[family])
    board.publish((family, one.getsockname()))
    transport.send(b"a")
    assert one.recv(100) == b"a"
    board.publish((family, two.getsockname()))
    transport.send(b"b")
    assert two.recv(100) == b"b"
    assert silent(one)
    assert board.failures(3) == (0, 0)


def test_address_of_another_family_may_follow(
    board: Board, transport: Transport, receiver: Receiver, tmp_path: Path
) -> None:
    for family, place in (
        (socket.AF_INET, ("127.0.0.1", 0)),
        (socket.AF_UNIX, str(tmp_path / "s")),
    ):
        sock = receiver(family, place)
        board.publish((family, sock.getsockname()))
        transport.send(b"a")
        assert sock.recv(100) == b"a"


def test_server_that_is_not_there_is_a_failure_and_no_error(
    board: Board, transport: Transport, receiver: Receiver
) -> None:
    sock = receiver(socket.AF_INET, ("127.0.0.1", 0))
    address = sock.getsockname()
    sock.close()
    board.publish((socket.AF_INET, address))
    for _ in range(4):
        transport.send(b"lost")
    count, number = board.failures(3)
    assert count > 0
    assert number == errno.ECONNREFUSED
    assert board.failures(MASTER) == (0, 0)
    # The error of the last one of those must not cost the first one that has a receiver.
    again = receiver(socket.AF_INET, address)
    transport.send(b"found")
    assert again.recv(100) == b"found"


def test_unix_server_that_comes_later_or_again_is_found(
    board: Board, transport: Transport, receiver: Receiver, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")
    board.publish((socket.AF_UNIX, path))
    transport.send(b"lost")
    assert board.failures(3)[1] == errno.ENOENT
    for data in (b"first", b"again"):
        sock = receiver(socket.AF_UNIX, path)
        transport.send(data)
        assert sock.recv(100) == data
        sock.close()
        os.unlink(path)


def test_nobody_waits_for_a_server_that_does_not_read(
    board: Board, transport: Transport, receiver: Receiver, tmp_path: Path
) -> None:
    path = str(tmp_path / "socket")
    sock = receiver(socket.AF_UNIX, path)
    board.publish((socket.AF_UNIX, path))
    for _ in range(5000):
        transport.send(b"x" * 1000)
    count, number = board.failures(3)
    assert 0 < count < 5000
    assert number == errno.EAGAIN
    assert sock.recv(2000) == b"x" * 1000


def test_nothing_is_sent_after_the_end(board: Board, receiver: Receiver) -> None:
    sock = receiver(socket.AF_INET, ("127.0.0.1", 0))
    board.publish((socket.AF_INET, sock.getsockname()))
    transport = Transport(board, 3)
    transport.close()
    transport.send(b"late")
    board.publish((socket.AF_INET, sock.getsockname()))
    transport.send(b"later")
    assert silent(sock)
    assert board.failures(3) == (0, 0)


def test_threads_lose_nothing(board: Board, transport: Transport, receiver: Receiver) -> None:
    sock = receiver(socket.AF_INET, ("127.0.0.1", 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    board.publish((socket.AF_INET, sock.getsockname()))

    def send() -> None:
        for _ in range(25):
            transport.send(b"a")

    threads = [Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sock.recv(100) for _ in range(200)] == [b"a"] * 200


def test_child_sees_what_the_parent_publishes_and_the_other_way_round(
    board: Board, receiver: Receiver
) -> None:
    sock = receiver(socket.AF_INET, ("127.0.0.1", 0))
    asking, answering = os.pipe()
    child = os.fork()
    if child == 0:
        # Nothing of the test may run twice.
        try:
            os.read(asking, 1)
            transport = Transport(board, CELLS + 7)  # beyond the last one, which it shares
            transport.send(b"of the child")
            board.fail(CELLS + 7, errno.EPERM)
        finally:
            os._exit(0)
    board.publish((socket.AF_INET, sock.getsockname()))
    os.write(answering, b"x")
    assert sock.recv(100) == b"of the child"
    os.waitpid(child, 0)
    os.close(asking)
    os.close(answering)
    assert board.failures(CELLS - 1) == (1, errno.EPERM)


def lines(board: Board, receiver: Receiver, send: Callable[[StatsdClient], object]) -> list[bytes]:
    """Return the datagrams that a client makes of something."""
    sock = receiver(socket.AF_INET, ("127.0.0.1", 0))
    board.publish((socket.AF_INET, sock.getsockname()))
    client = StatsdClient(Transport(board, 1), "shop.", "a:b,c")
    send(client)
    client.incr("end")
    client.close()
    return list(iter(lambda: sock.recv(65536), b"shop.end:1|c|#a:b,c"))


def test_client_makes_lines_with_prefix_and_tags(board: Board, receiver: Receiver) -> None:
    def send(client: StatsdClient) -> None:
        client.incr("a b:c|d\n#@é/ü.e-f")
        client.gauge("zero", 0)
        client.gauge("below", -5)
        with client.pipeline() as packet:
            packet.gauge("one", 1)
            packet.gauge("two", -2)

    assert lines(board, receiver, send) == [
        b"shop.a_b_c_d_.e-f:1|c|#a:b,c",
        b"shop.zero:0|g|#a:b,c",
        b"shop.below:0|g|#a:b,c\nshop.below:-5|g|#a:b,c",
        b"shop.one:1|g|#a:b,c\nshop.two:0|g|#a:b,c\nshop.two:-2|g|#a:b,c",
    ]


def test_packets_are_no_longer_than_an_ethernet_takes(board: Board, receiver: Receiver) -> None:
    def send(client: StatsdClient) -> None:
        with client.pipeline() as packet:
            for number in range(200):
                packet.gauge(f"gauge{number}", 0)

    packets = lines(board, receiver, send)
    assert all(len(packet) <= MAX_PACKET for packet in packets)
    assert len(packets) == -(-200 * len("shop.gauge100:0|g|#a:b,c\n") // MAX_PACKET)
    assert sum(packet.count(b"|g") for packet in packets) == 200


def test_name_is_looked_up() -> None:
    resolver = Resolver(TcpAddress("localhost", 8125))
    assert resolver.is_name
    found = resolver.now()
    assert found in ((socket.AF_INET, ("127.0.0.1", 8125)), (socket.AF_INET6, ("::1", 8125, 0, 0)))
    assert resolver.problem == ""
    assert resolver.take() is None


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_number_needs_no_look_up(host: str) -> None:
    resolver = Resolver(TcpAddress(host, 8125))
    assert not resolver.is_name
    assert (resolver.now() or ("", ""))[1][:2] == (host, 8125)


def test_name_that_there_is_not_is_a_problem_and_no_error() -> None:
    # RFC 6761 section 6.4; an empty label needs no network to be found wrong.
    resolver = Resolver(TcpAddress("statsd..invalid", 8125))
    assert resolver.now() is None
    assert resolver.problem
    assert PATIENCE < 5


GREENLETS = """
from gevent import monkey
monkey.patch_all()
import socket, sys, gevent
from corn_core.net.address import TcpAddress
from corn_statsd.board import Board
from corn_statsd.resolver import Resolver
from corn_statsd.transport import Transport

board = Board()
path = sys.argv[1]
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(path)
board.publish((socket.AF_UNIX, path))
transport = Transport(board, 1)
switched = []
other = gevent.spawn(switched.append, True)
for _ in range(5000):
    transport.send(b"x")
assert not switched, "sending let another greenlet run"
assert board.failures(1)[0], "the server took everything"
other.join()
assert Resolver(TcpAddress("localhost", 1)).now()
transport.close()
server.close()
"""


def test_greenlets_do_not_wait_either(tmp_path: Path) -> None:
    pytest.importorskip("gevent")
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", GREENLETS, str(tmp_path / "s")]
    subprocess.run(command, check=True, timeout=60)
