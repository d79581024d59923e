"""The selector driver in this process: its turns, its ticks, and how it ends.

The clients do what they do before the driver runs, or within the application; so that what is ready
in which turn is certain. The application, or the heartbeat, ends the run.
"""

from __future__ import annotations

import os
import resource
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from corn_core.net import Listener
from corn_core.process.scoreboard import DRAINING
from corn_core.serving import connection, selector
from corn_core.serving.selector import SelectorDriver
from corn_core.worker.base import Worker
from corn_core.worker.wakeup import Wakeup
from corn_testkit.client import parse_all
from corn_testkit.tls import ByHand, Certificate
from tests.unit.serving.bench import CLIENT_LIMITS
from tests.unit.wsgi.harness import Server

GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

TURNS = 5_000
"""Heartbeats until a test gives up waiting for what should have happened."""


class Pipe(Wakeup):
    """A wake-up pipe that is not the one of this process; the test writes to it."""

    def __init__(self) -> None:
        self.fd, self.write_fd = os.pipe()
        self.cleared: Callable[[], object] = lambda: None

    def clear(self) -> None:
        os.read(self.fd, 100)
        self.cleared()

    def close(self) -> None:
        os.close(self.fd)
        os.close(self.write_fd)


class Host(Worker):
    """A worker in this process, whose heartbeats and requests are counted.

    :ivar asked: the paths that the application was asked for.
    :ivar reactions: what happens within the application, by path.
    :ivar until: ends the run; looked at with each heartbeat.
    """

    wakeup: Pipe

    def __init__(self, server: Server, listener: Listener) -> None:
        super().__init__(server.worker.context._replace(listeners=(listener,)))
        self.server = server
        self.app = self.answer
        self.cycle = server.cycle(self.app)
        self.wakeup = Pipe()
        self.asked: list[str] = []
        self.reactions: dict[str, Callable[[], object]] = {}
        self.until: Callable[[], bool] = lambda: False
        self.turns = 0
        self.done = 0

    def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        self.asked.append(path)
        self.reactions.get(path, lambda: None)()
        if path == "/last":
            self.stop()
        start_response("200 OK", [("Content-Length", str(len(path)))])
        return [path.encode()]

    def stop(self) -> None:
        self.alive = False

    def notify(self) -> None:
        self.turns += 1
        assert self.turns < TURNS, "it has not happened"
        if self.until():
            self.stop()

    def request_done(self) -> None:
        self.done += 1


class Client:
    """A client that is connected from the beginning."""

    def __init__(self, listener: Listener) -> None:
        self.sock = socket.create_connection(listener.socket.getsockname())

    def ask(self, *paths: str) -> None:
        self.sock.sendall(b"".join(GET % path.encode() for path in paths))

    def answers(self) -> list[str]:
        """Return what has been answered, after the run, so that the connection has ended."""
        data = b""
        self.sock.settimeout(30)
        while piece := self.sock.recv(65536):
            data += piece
        return [reply.text for reply in parse_all(data)]

    def closed(self) -> bool:
        """Tell whether the server has closed the connection by now; what came before is dropped."""
        self.sock.settimeout(0)
        try:
            while self.sock.recv(65536):
                pass
        except BlockingIOError:
            return False
        return True


class QuickDriver(SelectorDriver):
    """Beats often, so that no test waits for a heartbeat."""

    TICK = 0.001


class PatientDriver(SelectorDriver):
    """Beats so seldom that a test notices when something waits for a heartbeat."""

    TICK = 30.0


class DefectiveDriver(QuickDriver):
    """Fails, as no driver should."""

    def dispatch(self, connection: Any, request: Any, body: Any) -> None:
        if request.path == "/defect":
            raise RuntimeError("a defect of the driver")
        super().dispatch(connection, request, body)


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let connections end as soon as the driver drains, or as their last response was sent."""
    monkeypatch.setattr(selector, "DRAIN_GRACE", 0.0)
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.001)


@pytest.fixture
def host(server: Server, listener: Listener) -> Iterator[Host]:
    host = Host(server, listener)
    yield host
    host.wakeup.close()


@pytest.fixture
def connect(listener: Listener) -> Iterator[Callable[[], Client]]:
    with ExitStack() as stack:

        def make() -> Client:
            client = Client(listener)
            stack.callback(client.sock.close)
            return client

        yield make


Connect = Callable[[], Client]


def run(host: Host, kind: type[SelectorDriver] = QuickDriver, **limits: Any) -> SelectorDriver:
    driver = kind(host, CLIENT_LIMITS._replace(**limits))
    driver.run()
    assert driver.held() == 0
    assert not driver.connections
    return driver


# -- turns -------------------------------------------------------------------------------


def test_pipelined_requests_take_their_turn_after_others(host: Host, connect: Connect) -> None:
    greedy, polite = connect(), connect()
    greedy.ask("/g1", "/g2", "/g3", "/last")
    polite.ask("/p1")
    host.reactions["/p1"] = lambda: polite.ask("/p2")
    host.reactions["/p2"] = lambda: polite.ask("/p3")
    run(host)
    assert greedy.answers() == ["/g1", "/g2", "/g3", "/last"]
    assert polite.answers() == ["/p1", "/p2", "/p3"]
    # In the turn in which both were accepted, and in the next ones, in which both had more.
    assert host.asked.index("/p1") < host.asked.index("/g2")
    assert host.asked.index("/p2") < host.asked.index("/g3")
    assert host.asked.index("/p3") < host.asked.index("/last")
    assert host.done == 7


def test_pipelined_requests_do_not_wait_for_a_heartbeat(host: Host, connect: Connect) -> None:
    client = connect()
    client.sock.sendall(GET % b"/1" + GET % b"/2" + LAST % b"/last")
    host.until = lambda: host.turns > 1
    run(host, PatientDriver)
    assert client.answers() == ["/1", "/2", "/last"]
    assert host.turns == 1


def test_greedy_clients_alternate(host: Host, connect: Connect) -> None:
    clients = [connect() for _ in range(3)]
    for number, client in enumerate(clients):
        client.ask(*(f"/{number}" for _ in range(5)))
    host.until = lambda: host.done == 15
    run(host)
    rounds = [sorted(host.asked[start : start + 3]) for start in range(0, 15, 3)]
    assert rounds == [["/0", "/1", "/2"]] * 5


def test_request_with_close_ends_its_connection(host: Host, connect: Connect) -> None:
    client = connect()
    client.sock.sendall(LAST % b"/only" + GET % b"/never")
    host.until = client.closed
    run(host)
    assert host.asked == ["/only"]


def test_connections_are_not_kept_without_keepalive(host: Host, connect: Connect) -> None:
    client = connect()
    client.ask("/only", "/never")
    host.until = client.closed
    run(host, keepalive=0.0)
    assert host.asked == ["/only"]


# -- heartbeats --------------------------------------------------------------------------


def test_heartbeat_and_connections_are_shown(host: Host, server: Server, connect: Connect) -> None:
    client, shown, beats = connect(), [], []
    client.ask("/")

    def look() -> bool:
        shown.append(server.board.read(0).connections)
        beats.append(server.board.read(0).heartbeat)
        if len(shown) == 5:
            client.sock.close()
        return len(shown) > 5 and shown[-1] == 0

    host.until = look
    run(host)
    assert 1 in shown
    # Also in a turn in which nothing is asked.
    assert beats[3] < beats[4]
    assert server.board.read(0).state == DRAINING


@pytest.mark.parametrize("sent", [b"", GET % b"/", b"GET / HT"], ids=["silent", "idle", "slow"])
def test_deadlines_are_kept(host: Host, connect: Connect, sent: bytes) -> None:
    client = connect()
    client.sock.sendall(sent)
    host.until = client.closed
    run(host, keepalive=0.001, header_timeout=0.001)


def test_signal_ends_the_wait(host: Host) -> None:
    host.wakeup.cleared = host.stop
    host.until = lambda: host.turns > 1
    os.write(host.wakeup.write_fd, b"x")
    run(host, PatientDriver)
    assert host.turns == 1


# -- accepting ---------------------------------------------------------------------------


def test_no_more_connections_than_permitted(host: Host, connect: Connect) -> None:
    clients = [connect() for _ in range(3)]
    for number, client in enumerate(clients):
        client.ask(f"/{number}")
    driver = QuickDriver(host, CLIENT_LIMITS._replace(max_connections=1))
    seen: list[tuple[int, int]] = []

    def look() -> bool:
        seen.append((driver.held(), len(host.asked)))
        if len(seen) % 20 == 0:
            clients[len(host.asked) - 1].sock.close()
        return len(host.asked) == 3

    host.until = look
    driver.run()
    assert host.asked == ["/0", "/1", "/2"]
    assert max(held for held, _ in seen) == 1
    # However often it could have accepted the second one, until the first had gone.
    assert {asked for _, asked in seen[1:20]} == {1}


class PausingDriver(SelectorDriver):
    """Beats seldom enough that it could try often in between."""

    TICK = 0.05


def test_accepting_pauses_while_descriptors_are_out(
    host: Host, server: Server, connect: Connect
) -> None:
    client = connect()
    client.ask("/last")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    driver = PausingDriver(host, CLIENT_LIMITS)
    waited: list[int] = []

    def look() -> bool:
        waited.append(len(host.asked))
        if len(waited) == 5:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return False

    host.until = look
    highest = max(map(int, os.listdir("/proc/self/fd")))
    taken = [os.dup(host.wakeup.fd) for _ in range(highest)]  # so that there are no gaps
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(taken) + 1, hard))
        driver.run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for fd in taken:
            os.close(fd)
    assert waited[:5] == [0] * 5
    assert client.answers() == ["/last"]
    assert "Cannot accept connections: Too many open files; pausing" in server.errors
    # Not as often as the poller says that a client waits.
    assert server.errors.count("pausing") <= host.turns


# -- failures and the end ----------------------------------------------------------------


def test_defect_ends_one_connection(host: Host, server: Server, connect: Connect) -> None:
    unlucky, unlucky_later, unlucky_last, other = (connect() for _ in range(4))
    unlucky.ask("/defect")
    unlucky_later.ask("/1", "/defect")
    unlucky_last.ask("/1")
    other.ask("/1", "/2", "/3", "/4")
    host.reactions["/2"] = lambda: unlucky_last.ask("/defect")
    host.until = lambda: host.done == 6
    run(host, DefectiveDriver)
    assert unlucky.answers() == []
    assert unlucky_later.answers() == ["/1"]
    assert unlucky_last.answers() == ["/1"]
    assert other.answers() == ["/1", "/2", "/3", "/4"]
    assert server.errors.count("Error on the connection of ip=127.0.0.1") == 3


def test_drain_finishes_what_has_begun(host: Host, connect: Connect) -> None:
    slow, idle, other = connect(), connect(), connect()
    slow.sock.sendall(b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe")
    idle.ask("/idle")
    other.ask("/last")
    rest = [b"llo"]

    def go_on() -> bool:
        if rest and idle.closed():
            slow.sock.sendall(rest.pop())
        return False

    host.until = go_on
    run(host)
    assert host.asked == ["/idle", "/last", "/slow"]
    data = slow.sock.recv(65536)
    assert parse_all(data)[0].header("Connection") == "close"
    assert slow.closed()


def test_drain_does_not_wait_for_handshakes(
    host: Host, connect: Connect, certificate: Certificate, context: ssl.SSLContext
) -> None:
    host.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    host.ssl_context.load_cert_chain(certificate.certfile, certificate.keyfile)
    silent, begun = connect(), connect()
    client = ByHand(begun.sock, context)
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.do_handshake()
    begun.sock.sendall(client.pending())
    host.until = lambda: host.turns == 5
    run(host, header_timeout=0.0)
    assert silent.closed() and begun.closed()


class SingleDriver(QuickDriver):
    """Accepts one at a time, so that the others stay in the backlog."""

    accept_batch = 1


def test_last_generation_empties_the_backlog(host: Host, server: Server, connect: Connect) -> None:
    first = connect()
    first.ask("/last")
    late: list[Client] = []

    def come() -> None:
        late.extend(connect() for _ in range(3))
        for number, client in enumerate(late):
            client.ask(f"/{number}")
        server.board.set_server_stopping()

    host.reactions["/last"] = come
    run(host, SingleDriver)
    assert [client.answers() for client in late] == [["/0"], ["/1"], ["/2"]]


# -- what drivers derived from it use ----------------------------------------------------


class LendingDriver(QuickDriver):
    """Checks connections out; a descriptor of its own says when to go on with them."""

    def __init__(self, host: Any, limits: Any) -> None:
        super().__init__(host, limits)
        self.bell, self.rope = os.pipe()
        self.waiting: list[tuple[Any, ...]] = []
        self.seen: list[tuple[int, int]] = []

    def open(self) -> None:
        super().open()
        self.watch_fd(self.bell, self.take_back)

    def dispatch(self, connection: Any, request: Any, body: Any) -> None:
        self.hold(connection)
        self.waiting.append((connection, request, body))
        self.seen.append((self.held(), len(self.connections)))
        os.write(self.rope, b"!")

    def take_back(self) -> None:
        os.read(self.bell, 1)
        connection, request, body = self.waiting.pop(0)
        keep = self.cycle.run(request, body, connection, connection, self.worker.alive)
        self.release(connection)
        self.worker.request_done()
        self.guard(connection, connection.finish, keep)

    def close(self) -> None:
        os.close(self.bell)
        os.close(self.rope)


def test_connections_are_checked_out_and_back_in(host: Host, connect: Connect) -> None:
    greedy, other = connect(), connect()
    greedy.ask("/1", "/2", "/3")
    other.ask("/4")
    host.until = lambda: host.done == 4
    driver = LendingDriver(host, CLIENT_LIMITS)
    with closing(driver):
        driver.run()
    assert greedy.answers() == ["/1", "/2", "/3"]
    assert other.answers() == ["/4"]
    # One of two counts, though the poller does not know it.
    assert (2, 1) in driver.seen
    assert driver.held() == 0


def test_driver_does_not_end_without_a_connection_that_is_checked_out(
    host: Host, connect: Connect
) -> None:
    client = connect()
    client.ask("/slow")

    class Slow(LendingDriver):
        def take_back(self) -> None:
            if host.alive:
                host.stop()
                self.beats = 0
            elif (beats := self.beats) < 3:
                self.beats = beats + 1
            else:
                super().take_back()

    driver = Slow(host, CLIENT_LIMITS)
    with closing(driver):
        driver.run()
    assert client.answers() == ["/slow"]


@pytest.mark.parametrize("resumed", [True, False])
def test_accepting_pauses_until_it_is_resumed(host: Host, connect: Connect, resumed: bool) -> None:
    class Pausing(QuickDriver):
        def open(self) -> None:
            super().open()
            self.pause_accepting()

        def on_tick(self, now: float) -> None:
            super().on_tick(now)
            assert not (self.accepting and host.turns < 3)
            if resumed and host.turns == 3:
                self.resume_accepting()

    client = connect()
    client.ask("/1")
    host.until = lambda: host.done == 1 or host.turns == 20
    run(host, Pausing)
    assert host.asked == (["/1"] if resumed else [])
