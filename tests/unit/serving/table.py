"""Tables of connections: each row a situation, an event, and all that comes of it."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import NamedTuple

from corn_core.serving.connection import Connection
from corn_core.serving.driver import Phase
from corn_core.serving.poller import READABLE, WRITABLE
from tests.unit.serving.bench import BEFORE, Bench, kind_of


class Step(NamedTuple):
    """Something that happens to a connection."""

    name: str
    act: Callable[[Bench], object]
    tcp: bool = False
    """Whether it can happen to connections over TCP alone."""

    def __str__(self) -> str:
        return self.name


class Row(NamedTuple):
    """An event in a situation, and all that comes of it.

    :param sent: the statuses that the client receives, and ``end`` or ``reset``.
    :param told: what the driver and the application are told.
    :param deadline: the timeout that runs from now on; empty for the one that ran before.
    """

    given: Step
    event: Step
    phase: Phase
    sent: str = ""
    told: str = ""
    deadline: str = ""

    def __str__(self) -> str:
        return f"{self.given}: {self.event}"


def shown(data: bytes) -> str:
    return data[:40].decode("latin-1").replace("\r\n", " ").strip() or "an empty line"


def hears(data: bytes) -> Step:
    """Send these bytes as the client, and let them be read."""
    return Step(shown(data), lambda bench: bench.hear(data))


def starts_with(data: bytes) -> Step:
    """Accept the connection, with these bytes here already."""
    return starts(f"starts with {shown(data)}", lambda bench: bench.say(data))


def starts(name: str, happens: Callable[[Bench], object], tcp: bool = False) -> Step:
    """Something has happened by the time the connection is accepted."""

    def act(bench: Bench) -> None:
        happens(bench)
        bench.connection.start()

    return Step(name, act, tcp)


def reads(name: str, happens: Callable[[Bench], object], tcp: bool = False) -> Step:
    """Something happens, and the poller says that there is something to read."""

    def act(bench: Bench) -> None:
        happens(bench)
        bench.connection.on_event(READABLE)

    return Step(name, act, tcp)


def writes(name: str, happens: Callable[[Bench], object], tcp: bool = False) -> Step:
    """Something happens, and the poller says that something can be written."""

    def act(bench: Bench) -> None:
        happens(bench)
        bench.connection.on_event(WRITABLE)

    return Step(name, act, tcp)


def given(name: str, *steps: Step | Callable[[Bench], object]) -> Step:
    """Describe a situation: a new connection, and what has happened to it."""

    def act(bench: Bench) -> None:
        for step in steps:
            (step.act if isinstance(step, Step) else step)(bench)

    return Step(name, act)


STARTED = starts("starts", lambda bench: None)
NOTHING = reads("nothing to read", lambda bench: None)
END = reads("the client sends no more", Bench.end)
GONE = reads("the client is gone", Bench.leave)
RESET = reads("the client resets", Bench.reset, tcp=True)
EXPIRES = Step("the time is up", lambda bench: bench.connection.expire())
CLOSES = Step("the driver closes it", lambda bench: bench.connection.close())
TAKES_SOME = Step("the client takes some", Bench.take_some)
TAKES_ALL = Step("the client takes all", Bench.take_all)

NEW = given("new")

WAITING_FOR = {
    Phase.HEAD: READABLE,
    Phase.BODY: READABLE,
    Phase.LINGER: READABLE,
    Phase.FLUSH: WRITABLE,
    Phase.CLOSED: 0,
}
"""Not what an idle connection waits for: one with a pipelined request waits for its turn."""


def play(row: Row, bench: Bench) -> None:
    """Bring a connection into the row's situation, let its event happen, and compare."""
    row.given.act(bench)
    connection, driver = bench.connection, bench.driver
    if row.given is not NEW:
        connection.deadline = BEFORE
    if connection.phase is not Phase.FLUSH:
        bench.take()
    before = len(bench.seen), len(driver.told)
    row.event.act(bench)
    if bench.client.fileno() >= 0:
        bench.take()
    sent, told = " ".join(bench.seen[before[0] :]), ", ".join(driver.told[before[1] :])
    closed = connection.phase is Phase.CLOSED
    deadline = "" if closed else kind_of(connection.deadline, monotonic())
    assert (connection.phase, sent, told, deadline) == row[2:]
    _check(connection)


def _check(connection: Connection) -> None:
    """Check what holds in a phase, however it was reached."""
    phase = connection.phase
    if phase in WAITING_FOR:
        assert connection.interest == WAITING_FOR[phase]
    assert (connection.sock.fileno() < 0) is (phase is Phase.CLOSED)
    assert (connection.body is not None) is (phase is Phase.BODY)
    assert connection.idle is (phase is Phase.IDLE or phase is Phase.HANDSHAKE)
