"""The greenlet driver without a network: how a client's greenlet shares the hub."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from types import SimpleNamespace
from typing import Any, cast

import pytest

from corn_core.errors import ClientDisconnected
from corn_core.serving.driver import FOREVER
from corn_core.serving.poller import READABLE, WRITABLE
from corn_greenlets.client import TURN, Client
from corn_greenlets.driver import GreenletDriver


class Silence:
    """A gate whose descriptor is never ready: each wait ends as after wake()."""

    def __init__(self) -> None:
        self.waits: list[int] = []
        self.wakes = 0
        self.during: Callable[[], object] = lambda: None

    def wait(self, mask: int) -> int:
        self.waits.append(mask)
        self.during()
        return 0

    def spawn(self, function: Callable[..., None], *arguments: object) -> Any:
        raise AssertionError("nothing is to be spawned here")

    def wake(self) -> None:
        self.wakes += 1

    def release(self) -> None: ...


class Scheduler:
    """Runs nothing; counts how often it was told to let others run."""

    def __init__(self) -> None:
        self.sleeps: list[float] = []
        self.made = Silence()

    def gate(self, fd: int) -> Silence:
        return self.made

    def spawn(self, function: Callable[..., None], *arguments: object) -> Any:
        raise AssertionError("nothing is to be spawned here")

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)

    def kill(self, greenlets: Iterable[Any], patience: float) -> None: ...


@pytest.fixture
def scheduler() -> Scheduler:
    return Scheduler()


@pytest.fixture
def client(scheduler: Scheduler) -> Client:
    wakeup = SimpleNamespace(fd=-1)
    slot = SimpleNamespace(set_connections=lambda count: None, peers=list)
    told = {"cycle": None, "log": None, "ssl_context": None, "notify": lambda: None}
    worker = SimpleNamespace(slot=slot, wakeup=wakeup, **told)
    limits = SimpleNamespace(proxy=None, write_timeout=30.0)
    return Client(GreenletDriver(cast(Any, worker), cast(Any, limits), scheduler), -1)


def test_others_run_after_each_mebibyte(client: Client, scheduler: Scheduler) -> None:
    for _ in range(TURN // 1024):
        client.sent(1024)
    assert scheduler.sleeps == []
    client.sent(1)
    assert scheduler.sleeps == [0]
    client.sent(TURN)
    assert scheduler.sleeps == [0]
    client.sent(1)
    assert scheduler.sleeps == [0, 0]


def test_a_client_that_takes_nothing_has_its_time(client: Client, scheduler: Scheduler) -> None:
    deadlines = []
    scheduler.made.during = lambda: deadlines.append(client.deadline)
    with pytest.raises(ClientDisconnected):
        client.wait_for_client()
    assert scheduler.made.waits == [WRITABLE]
    assert deadlines[0] < FOREVER
    assert client.deadline == FOREVER


def test_what_has_to_be_said_comes_before_reading(client: Client, scheduler: Scheduler) -> None:
    """A gate waits for one kind of event."""
    ends: list[str] = []
    connection: Any = SimpleNamespace(
        deadline=FOREVER, idle=False, interest=READABLE | WRITABLE, expire=lambda: ends.append("x")
    )
    for interest in (READABLE | WRITABLE, READABLE, WRITABLE):
        connection.interest = interest
        client.set_interest(connection, interest)
        assert client._go_on()
    assert scheduler.made.waits == [WRITABLE, READABLE, WRITABLE]
    assert ends == ["x"] * 3


def test_a_greenlet_that_does_not_react_is_given_up(client: Client, scheduler: Scheduler) -> None:
    told: list[object] = []
    closed: list[bool] = []
    client.log = cast(Any, SimpleNamespace(error=lambda *said: told.append(said)))
    connection: Any = SimpleNamespace(peer_host="::1", close=lambda: closed.append(True))
    client.set_interest(connection, READABLE)
    driver = cast(Any, client._driver)
    driver._clients.add(client)
    for deadline in (1.0, 2.0):
        client.deadline = deadline
        driver._tick(monotonic())
        assert not closed, "it has reacted to each so far"
    driver._tick(monotonic() + driver.TICK)
    assert scheduler.made.wakes == 2
    assert closed == [True] and len(told) == 1
    assert driver._clients == set()
