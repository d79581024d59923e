"""A connection as the sink of its responses: whole and in order, however the client takes them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from corn_core.errors import ClientDisconnected
from corn_core.http import Limits
from corn_core.net import Listener
from corn_core.serving.connection import Connection
from corn_core.serving.driver import FOREVER, Phase
from corn_core.serving.poller import READABLE
from corn_core.serving.sendbuffer import LINGER_BYTES, FileRegion
from tests.unit.serving.bench import LARGE, PATIENCE, PIECES, Bench
from tests.unit.wsgi.harness import Server

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
LAST = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def bench(server: Server, listener: Listener) -> Iterator[Bench]:
    bench = Bench(server, listener)
    yield bench
    bench.close()


@pytest.fixture
def tcp(server: Server, listener: Listener) -> Iterator[Bench]:
    bench = Bench(server, listener, tcp=True)
    yield bench
    bench.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """A file that no client takes at once."""
    path = tmp_path / "file"
    path.write_bytes(LARGE)
    fd = os.open(path, os.O_RDWR)
    yield fd
    os.close(fd)


def body(bench: Bench) -> bytes:
    return bench.received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("spool", [0, 8 * len(LARGE)], ids=["memory", "file"])
def test_response_arrives_whole(server: Server, listener: Listener, spool: int) -> None:
    with closing(Bench(server, listener, limits={"spool_limit": spool})) as bench:
        # Without room in a file, the application waits until its client takes something.
        bench.driver.while_waiting = bench.take
        bench.hear(LAST % b"/pieces")
        assert ("notify" in bench.driver.told) is (spool == 0)
        bench.take_all()
        assert body(bench) == LARGE * PIECES
        assert bench.connection.phase is Phase.CLOSED


def test_client_that_takes_nothing_is_given_up(server: Server, listener: Listener) -> None:
    with closing(Bench(server, listener, limits={"write_timeout": 0.001})) as bench:
        bench.hear(LAST % b"/pieces")
        assert bench.driver.told.count("notify") > 0
        assert "Client gone during GET /pieces" in server.errors
        # What was kept before it was given up is still offered, and for a limited time.
        assert bench.connection.send_buffer
        bench.connection.expire()
        assert bench.connection.phase is Phase.CLOSED


def test_what_comes_later_is_sent_later(bench: Bench) -> None:
    bench.connection.send(LARGE)
    bench.take()
    taken = len(bench.received)
    # There is room in the network now, and first of all for what has waited.
    bench.connection.send(b"after")
    bench.take()
    assert len(bench.received) > taken
    bench.connection.finish(keep=False)
    bench.take_all()
    assert bench.received == LARGE + b"after"


def test_client_that_is_gone(server: Server, bench: Bench) -> None:
    bench.say(LAST % b"/large")
    bench.leave()
    bench.connection.on_event(READABLE)
    assert bench.driver.told == ["GET /large"]
    assert "Client gone during GET /large" in server.errors
    assert bench.connection.phase is Phase.CLOSED


def test_client_that_leaves_while_the_application_waits_for_it(
    server: Server, bench: Bench
) -> None:
    bench.driver.while_waiting = bench.client.close
    bench.hear(LAST % b"/pieces")
    assert bench.driver.told.count("notify") == 1
    assert "Client gone during GET /pieces" in server.errors


@pytest.mark.parametrize("sent", [b"GET / HT", POST + b"he"], ids=["head", "body"])
def test_reset_within_a_request_is_logged(server: Server, tcp: Bench, sent: bytes) -> None:
    tcp.hear(sent)
    tcp.reset()
    tcp.connection.on_event(READABLE)
    assert "Invalid request from ip=192.0.2.7" in server.errors


# -- files -------------------------------------------------------------------------------


def test_small_file_is_sent_at_once(bench: Bench, file: int) -> None:
    bench.connection.send_file(file, 100, 1000)
    assert not bench.connection.send_buffer
    bench.take()
    assert bench.received == LARGE[100:1100]


def test_large_file_is_sent_as_the_client_takes_it(bench: Bench, file: int) -> None:
    bench.connection.send(b"before ")
    bench.connection.send_file(file, 1, len(LARGE) - 1)
    bench.connection.send(b" after")
    bench.connection.finish(keep=False)
    assert bench.connection.phase is Phase.FLUSH
    bench.take_all()
    assert bench.received == b"before " + LARGE[1:] + b" after"


def test_file_behind_what_is_kept_in_a_file(server: Server, listener: Listener, file: int) -> None:
    with closing(Bench(server, listener, limits={"spool_limit": 8 * len(LARGE)})) as bench:
        for _ in range(PIECES):
            bench.connection.send(LARGE)
        bench.connection.send_file(file, 0, len(LARGE))
        bench.connection.finish(keep=False)
        bench.take_all()
        assert bench.received == LARGE * (PIECES + 1)


def test_file_that_became_shorter(bench: Bench, file: int) -> None:
    bench.connection.send_file(file, 0, len(LARGE))
    bench.connection.finish(keep=False)
    os.ftruncate(file, 0)
    bench.take_some()
    assert bench.connection.phase is Phase.CLOSED
    assert len(bench.received) < len(LARGE)


def test_shorter_file_behind_what_is_kept_in_a_file(
    server: Server, listener: Listener, file: int
) -> None:
    with closing(Bench(server, listener, limits={"spool_limit": 8 * len(LARGE)})) as bench:
        for _ in range(PIECES):
            bench.connection.send(LARGE)
        with pytest.raises(ClientDisconnected, match="shorter"):
            bench.connection.send_file(file, 0, len(LARGE) + 1)


def test_close_closes_a_file_on_its_way(bench: Bench, file: int) -> None:
    bench.connection.send_file(file, 0, len(LARGE))
    send_buffer = bench.connection.send_buffer
    assert send_buffer is not None
    region = send_buffer.head()
    assert isinstance(region, FileRegion)
    bench.connection.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(region.fd)


# -- the end -----------------------------------------------------------------------------


def reset_seen(bench: Bench) -> bool:
    """Receive to the end, as the client; says whether that was a reset."""
    bench.client.settimeout(PATIENCE / 1000)
    try:
        while data := bench.client.recv(65536):
            bench.received += data
    except ConnectionResetError:
        return True
    return False


@pytest.mark.parametrize("aborted", [False, True])
def test_response_that_was_cut_short_ends_with_a_reset(tcp: Bench, aborted: bool) -> None:
    tcp.connection.send(b"half")
    if aborted:
        tcp.connection.abort()
    tcp.connection.finish(keep=False)
    assert tcp.connection.phase is Phase.CLOSED
    assert reset_seen(tcp) is aborted


def test_what_is_kept_is_sent_before_the_end(bench: Bench) -> None:
    bench.connection.send(LARGE)
    bench.connection.abort()
    bench.connection.finish(keep=False, linger=True)
    bench.take_all()
    assert bench.received == LARGE
    assert bench.connection.phase is Phase.CLOSED


def test_lingering_ends_when_the_client_never_stops(bench: Bench) -> None:
    bench.hear(b"NONSENSE\r\n\r\n")
    assert bench.connection.phase is Phase.LINGER
    for _ in range(LINGER_BYTES // 2048):
        bench.hear(b"x" * 2048)
    assert bench.driver.told == ["watch read"]
    bench.hear(b"x")
    assert bench.driver.told == ["watch read", "forget"]


@pytest.mark.parametrize(
    "event", [lambda it: it.expire(), lambda it: it.close()], ids=["refused", "closed"]
)
def test_body_in_a_file_is_let_go(
    server: Server, listener: Listener, event: Callable[[Connection], None]
) -> None:
    with closing(Bench(server, listener, limits={"http": Limits()})) as bench:
        bench.hear(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n")
        before = len(os.listdir("/proc/self/fd"))
        while len(os.listdir("/proc/self/fd")) == before:
            bench.hear(b"x" * 2048)
        event(bench.connection)
        # A connection that was refused still has its socket.
        left = before - (bench.connection.phase is Phase.CLOSED)
        assert len(os.listdir("/proc/self/fd")) == left


def test_client_that_closes_faster_than_the_connection_lingers(tcp: Bench) -> None:
    tcp.say(b"NONSENSE\r\n\r\n")
    tcp.reset()
    tcp.connection.on_event(READABLE)
    assert tcp.connection.phase is Phase.CLOSED


@pytest.mark.parametrize(
    ("term", "heard"),
    [
        ("header_timeout", b""),
        ("header_timeout", b"GET"),
        ("body_timeout", POST + b"he"),
        ("write_timeout", LAST % b"/large"),
    ],
)
def test_timeout_of_0_never_ends(
    server: Server, listener: Listener, term: str, heard: bytes
) -> None:
    with closing(Bench(server, listener, limits={term: 0.0})) as bench:
        bench.say(heard)
        bench.connection.start()
        assert bench.connection.deadline == FOREVER
