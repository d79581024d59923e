"""Calls that wait, calls that compute, and calls that have no processor."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import pytest

from corn_gthread.usage import BRIEF, LONG, SLOW, Began, Meter, Sight, Verdict, judge, was_slow
from corn_gthread.watch import Watch
from corn_testkit.waiting import wait_for


def a_sight(
    ran_lately: float, nap: float = SLOW, *, ran: float = 0.0, lasts: float = 0.0, naps: float = 0.0
) -> Sight:
    return Sight(lasts=lasts, ran=ran, naps=naps, ran_lately=ran_lately, nap=nap)


@pytest.mark.parametrize(
    ("sight", "runnable", "verdict"),
    [
        # It slept.
        (a_sight(0.0), False, Verdict.DOUBT),
        (a_sight(0.0, BRIEF), False, Verdict.SLOW),
        # It waits again and again, for a short time.
        (a_sight(0.0003), False, Verdict.DOUBT),
        (a_sight(0.0001, BRIEF), False, Verdict.SLOW),
        # It has no processor.
        (a_sight(0.0), True, Verdict.KEEP),
        (a_sight(0.0, BRIEF), True, Verdict.KEEP),
        (a_sight(0.0, lasts=1.0, naps=0.5), True, Verdict.KEEP),
        # It computes. The thread waits for the interpreter, which is with the watcher now.
        (a_sight(SLOW), False, Verdict.KEEP),
        (a_sight(BRIEF, BRIEF), False, Verdict.KEEP),
        (a_sight(0.007, ran=LONG, lasts=0.014, naps=0.004), False, Verdict.LONG),
        (a_sight(0.002, ran=LONG, lasts=0.1, naps=0.08), True, Verdict.LONG),
        # It computes without the interpreter, and the watcher was hardly ever late.
        (a_sight(0.002, ran=LONG, lasts=0.0105, naps=LONG), True, Verdict.SLOW),
    ],
)
def test_who_loses_the_loop(sight: Sight, runnable: bool, verdict: Verdict) -> None:
    assert judge(sight, lambda: runnable) is verdict


@pytest.mark.parametrize(
    ("lasted", "queued", "process", "outcome"),
    [
        (SLOW / 2, 0.0, 0.0, False),
        (0.05, 0.0, 0.01, True),  # it slept
        (0.05, 0.049, 0.01, False),  # it had no processor
        (0.05, 0.0, 0.05, None),  # it computed, or another thread did meanwhile
    ],
)
def test_what_a_call_was_in_the_end(
    lasted: float, queued: float, process: float, outcome: bool | None
) -> None:
    assert was_slow(lasted, queued, process) is outcome


class Subject:
    """A thread that waits until it is to compute, and computes until it is to end."""

    def __init__(self) -> None:
        self.ready, self.begin, self.enough = (threading.Event() for _ in range(3))
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        assert self.ready.wait(10)

    def run(self) -> None:
        self.meter = Meter()
        self.ready.set()
        self.begin.wait(10)
        while not self.enough.is_set():
            pass

    def end(self) -> None:
        self.begin.set()
        self.enough.set()
        self.thread.join()
        self.meter.close()


@pytest.fixture
def subject() -> Iterator[Subject]:
    subject = Subject()
    yield subject
    subject.end()


def test_a_call_that_waits_is_seen_to_be_slow(subject: Subject) -> None:
    watch = Watch()
    assert watch.look(1, subject.meter, SLOW) is Verdict.KEEP
    # The thread may be on its way to where it waits.
    wait_for(lambda: watch.look(1, subject.meter, SLOW) is Verdict.DOUBT, "the thread to wait")
    assert watch.look(1, subject.meter, BRIEF) is Verdict.SLOW
    assert watch.look(3, subject.meter, BRIEF) is Verdict.KEEP


def test_a_call_that_computes_is_not(subject: Subject) -> None:
    if not hasattr(time, "pthread_getcpuclockid"):
        pytest.skip("this system has no clock of what a thread runs")
    subject.begin.set()
    watch = Watch()
    verdicts: list[Verdict] = []
    ran = subject.meter.ran()
    while not verdicts or verdicts[-1] is Verdict.KEEP:
        # As far as it has not run since the last look, it is to run now.
        until, ran = ran + SLOW, subject.meter.ran()
        while ran < until:
            ran = subject.meter.ran()
        verdicts.append(watch.look(1, subject.meter, SLOW))
    assert verdicts[-1] in (Verdict.LONG, Verdict.SLOW)
    assert subject.meter.ran() >= LONG


def test_a_thread_that_computes_is_runnable_and_one_that_waits_is_not(subject: Subject) -> None:
    if not Path("/proc/thread-self/schedstat").exists():
        pytest.skip("this system does not tell")
    wait_for(lambda: not subject.meter.runnable(), "the thread to wait")
    subject.begin.set()
    wait_for(subject.meter.runnable, "the thread to compute")


def test_a_thread_that_has_ended_uses_nothing(subject: Subject) -> None:
    subject.begin.set()
    subject.enough.set()
    subject.thread.join()
    # The system may need a moment to forget it.
    wait_for(lambda: subject.meter.ran() == 0.0, "the thread's clock to end")
    assert not subject.meter.runnable()


def test_without_clocks_there_is_the_time_on_the_wall(subject: Subject) -> None:
    subject.meter.close()
    assert not subject.meter.runnable()
    began = Began(monotonic() - 1.0, time.process_time())
    assert subject.meter.was_slow(began)
