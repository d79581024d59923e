"""The pool of threads: jobs are all done, and get threads as they need them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic

from corn_core.serving.pool import EAGER, Pool

DEADLINE = 15.0


def blocked_pool(size: int) -> tuple[Pool[int], SimpleQueue[int], threading.Event]:
    """A pool whose jobs say that they have begun, and then wait for the event."""
    begun: SimpleQueue[int] = SimpleQueue()
    gate = threading.Event()

    def work(job: int) -> None:
        begun.put(job)
        assert gate.wait(DEADLINE)

    return Pool(size, work), begun, gate


def add(pool: Pool[int], *jobs: int) -> bool:
    for job in jobs:
        pool.add(job)
    return pool.hand_out(monotonic())


def test_one_thread_does_short_jobs_in_their_order() -> None:
    done: SimpleQueue[tuple[int, int]] = SimpleQueue()
    pool: Pool[int] = Pool(4, lambda job: done.put((job, threading.get_ident())))
    add(pool, *range(50))
    results = [done.get(timeout=DEADLINE) for _ in range(50)]
    assert [job for job, _ in results] == list(range(50))
    assert len({thread for _, thread in results}) == 1


def test_a_long_job_is_judged_and_the_others_get_threads() -> None:
    pool, begun, gate = blocked_pool(3)
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


def test_jobs_that_are_taken_need_no_more_threads() -> None:
    begun: SimpleQueue[int] = SimpleQueue()
    gate = threading.Event()

    def work(job: int) -> None:
        begun.put(job)
        assert job == 1 or gate.wait(DEADLINE)

    pool: Pool[int] = Pool(3, work)
    assert add(pool, 1, 2, 3)
    assert [begun.get(timeout=DEADLINE) for _ in range(2)] == [1, 2]
    assert pool.judge(), "a job waits, and could get a thread"
    assert begun.empty()
    gate.set()


def test_threads_are_woken_at_once_while_jobs_prove_long() -> None:
    pool, begun, gate = blocked_pool(4)
    add(pool, 1, 2)
    begun.get(timeout=DEADLINE)
    pool.judge()
    pool.judge()
    begun.get(timeout=DEADLINE)
    pool.add(3)
    pool.hand_out(monotonic() - EAGER)  # within the time, however slow this machine is
    assert begun.get(timeout=DEADLINE) == 3
    gate.set()


def test_no_job_is_lost_between_a_thread_that_falls_asleep_and_the_owner() -> None:
    done: SimpleQueue[int] = SimpleQueue()
    pool: Pool[int] = Pool(3, done.put)
    for job in range(3000):
        # Each is added just when the thread that did the one before is about to sleep.
        add(pool, job)
        assert done.get(timeout=DEADLINE) == job


def test_rest_ends_when_the_queue_is_empty() -> None:
    pool, begun, gate = blocked_pool(1)
    add(pool, 1, 2)
    begun.get(timeout=DEADLINE)
    opener: Callable[[], None] = gate.set
    threading.Timer(0.01, opener).start()
    pool.rest(DEADLINE)
    assert not pool.waiting
    assert gate.is_set()
