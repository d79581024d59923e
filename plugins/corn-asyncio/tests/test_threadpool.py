"""The pool of threads: jobs are all done, and get threads as they need them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from time import monotonic
from typing import NamedTuple

import pytest

from corn_asyncio import threadpool
from corn_asyncio.threadpool import ThreadPool
from corn_testkit.scarcity import no_room_for_threads
from corn_testkit.waiting import DEADLINE, wait_for

MakePool = Callable[[int, Callable[[int], None]], ThreadPool[int]]


@pytest.fixture
def make_pool(refused: list[RuntimeError]) -> Iterator[MakePool]:
    """Makes pools; afterwards all their threads have ended."""
    pools: list[ThreadPool[int]] = []

    def make(size: int, work: Callable[[int], None]) -> ThreadPool[int]:
        pools.append(ThreadPool(size, work, refused.append))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close(DEADLINE)


@pytest.fixture
def refused() -> list[RuntimeError]:
    """Return what was logged about threads that could not be started."""
    return []


class Blocked(NamedTuple):
    """A pool whose jobs say that they have begun, and then wait for the gate."""

    pool: ThreadPool[int]
    begun: SimpleQueue[int]
    gate: threading.Event


MakeBlocked = Callable[[int], Blocked]


@pytest.fixture
def make_blocked(make_pool: MakePool) -> Iterator[MakeBlocked]:
    """Makes such pools; afterwards their gates are open."""
    gates: list[threading.Event] = []

    def make(size: int) -> Blocked:
        begun: SimpleQueue[int] = SimpleQueue()
        gate = threading.Event()
        gates.append(gate)

        def work(job: int) -> None:
            begun.put(job)
            assert gate.wait(DEADLINE)

        return Blocked(make_pool(size, work), begun, gate)

    yield make
    for gate in gates:
        gate.set()


def add(pool: ThreadPool[int], *jobs: int) -> bool:
    for job in jobs:
        pool.add(job)
    return pool.hand_out(monotonic())


def test_one_thread_does_short_jobs_in_their_order(make_pool: MakePool) -> None:
    done: SimpleQueue[tuple[int, int]] = SimpleQueue()
    pool = make_pool(4, lambda job: done.put((job, threading.get_ident())))
    add(pool, *range(50))
    results = [done.get(timeout=DEADLINE) for _ in range(50)]
    assert [job for job, _ in results] == list(range(50))
    assert len({thread for _, thread in results}) == 1


def test_a_long_job_is_judged_and_the_others_get_threads(make_blocked: MakeBlocked) -> None:
    pool, begun, gate = make_blocked(3)
    assert add(pool, 1, 2, 3, 4)
    assert begun.get(timeout=DEADLINE) == 1
    assert pool.waiting
    # None was taken since the last look, so each of those that wait gets a thread, up to three.
    pool.judge()
    pool.judge()
    assert {begun.get(timeout=DEADLINE) for _ in range(2)} == {2, 3}
    assert begun.empty()
    assert not pool.judge(), "all threads are busy, and looking again cannot help"
    gate.set()
    assert begun.get(timeout=DEADLINE) == 4


def test_jobs_that_are_taken_need_no_more_threads(make_pool: MakePool) -> None:
    begun: SimpleQueue[int] = SimpleQueue()
    gate = threading.Event()

    def work(job: int) -> None:
        begun.put(job)
        assert job == 1 or gate.wait(DEADLINE)

    pool = make_pool(3, work)
    assert add(pool, 1, 2, 3)
    assert [begun.get(timeout=DEADLINE) for _ in range(2)] == [1, 2]
    assert pool.judge(), "a job waits, and could get a thread"
    assert begun.empty()
    gate.set()


def test_threads_are_woken_at_once_while_jobs_prove_long(make_blocked: MakeBlocked) -> None:
    pool, begun, _ = make_blocked(4)
    add(pool, 1, 2)
    begun.get(timeout=DEADLINE)
    before = monotonic()
    pool.judge()
    pool.judge()
    begun.get(timeout=DEADLINE)
    pool.add(3)
    pool.hand_out(before)  # the clock stands still, so that a slow machine is not too late
    assert begun.get(timeout=DEADLINE) == 3


def test_no_job_is_lost_between_a_thread_that_falls_asleep_and_the_owner(
    make_pool: MakePool,
) -> None:
    done: SimpleQueue[int] = SimpleQueue()
    pool = make_pool(3, done.put)
    for job in range(3000):
        # Each is added just when the thread that did the one before is about to sleep.
        add(pool, job)
        assert done.get(timeout=DEADLINE) == job


def test_rest_ends_when_the_queue_is_empty(make_blocked: MakeBlocked) -> None:
    pool, begun, gate = make_blocked(1)
    add(pool, 1, 2)
    begun.get(timeout=DEADLINE)
    opener = threading.Timer(0.01, gate.set)
    opener.start()
    pool.rest(DEADLINE)
    assert not pool.waiting
    assert gate.is_set()
    opener.join()


def threads_of_pools() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name.startswith("corn-app-")]


def test_close_ends_the_threads_that_sleep_and_those_that_work(make_blocked: MakeBlocked) -> None:
    sleeping, working = make_blocked(1), make_blocked(1)
    sleeping.gate.set()
    for one in (sleeping, working):
        add(one.pool, 1)
        assert one.begun.get(timeout=DEADLINE) == 1
    # The first job is done, and its thread has looked for another.
    wait_for(lambda: sleeping.pool._idle, "the thread to fall asleep")
    sleeping.pool.close(DEADLINE)
    assert len(threads_of_pools()) == 1, "only the one that works is left"
    working.pool.close()
    assert len(threads_of_pools()) == 1, "it is in the middle of its job"
    working.gate.set()
    wait_for(lambda: not threads_of_pools(), "the thread to end after its job")


def test_close_drops_what_no_thread_has_taken(make_blocked: MakeBlocked) -> None:
    pool, begun, gate = make_blocked(1)
    add(pool, 1, 2)
    assert begun.get(timeout=DEADLINE) == 1
    pool.close()
    gate.set()
    wait_for(lambda: not threads_of_pools(), "the thread to end")
    assert begun.empty()


def test_pool_recovers_when_there_is_room_for_a_thread_again(
    make_pool: MakePool, refused: list[RuntimeError]
) -> None:
    done: SimpleQueue[int] = SimpleQueue()
    pool = make_pool(1, done.put)
    with no_room_for_threads():
        assert add(pool, 1), "another look may find room"
        assert [str(error) for error in refused] == ["can't start new thread"]
        assert pool.judge() and pool.judge()
        assert len(refused) == 1, "it is not tried, and complained of, at every look"
    wait_for(lambda: not pool.judge(), "the next attempt")
    assert done.get(timeout=DEADLINE) == 1
    assert len(refused) == 1


def test_each_want_of_room_is_told_once(
    make_blocked: MakeBlocked, refused: list[RuntimeError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threadpool, "RETRY", 0.0)
    pool, begun, gate = make_blocked(2)
    for number in (1, 2):
        with no_room_for_threads():
            add(pool, number)
            assert pool.judge() and pool.judge(), "it is tried again"
            assert len(refused) == number
        assert not pool.judge()
        assert begun.get(timeout=DEADLINE) == number
    gate.set()


def test_jobs_go_to_the_threads_there_are_while_there_is_no_room(
    make_blocked: MakeBlocked, refused: list[RuntimeError]
) -> None:
    pool, begun, gate = make_blocked(2)
    add(pool, 1)
    assert begun.get(timeout=DEADLINE) == 1
    with no_room_for_threads():
        add(pool, 2)
        pool.judge()
        pool.judge()
    assert len(refused) == 1
    gate.set()
    assert begun.get(timeout=DEADLINE) == 2
