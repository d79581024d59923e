"""Signals as pending: which of them are obeyed, and how they break off a wait."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from math import inf
from signal import SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGTTIN, SIGTTOU
from time import monotonic

import pytest

from corn_core.arbiter.signals import PendingSignals, StopRequested, name_of, relevant
from corn_core.process.signals import SignalQueue


@pytest.mark.parametrize(
    ("arrived", "expected"),
    [
        ([], []),
        ([SIGCHLD, SIGCHLD], []),
        ([SIGHUP, SIGHUP], [SIGHUP]),
        ([SIGHUP, SIGTTIN, SIGCHLD, SIGHUP, SIGTTOU], [SIGTTIN, SIGHUP, SIGTTOU]),
        ([SIGTTIN, SIGTTIN], [SIGTTIN, SIGTTIN]),
        ([SIGTERM, SIGINT], [SIGTERM, SIGINT]),
    ],
)
def test_relevant(arrived: list[int], expected: list[int]) -> None:
    assert relevant(arrived) == expected


def test_names() -> None:
    assert name_of(SIGHUP) == "hup"


@pytest.fixture
def queue() -> Iterator[SignalQueue]:
    queue = SignalQueue()
    queue.install([SIGTERM, SIGHUP])
    yield queue
    queue.restore()
    queue.close()


def test_a_wait_is_broken_off_by_an_order_to_stop_which_is_kept(queue: SignalQueue) -> None:
    pending = PendingSignals(queue)
    os.kill(os.getpid(), SIGHUP)
    os.kill(os.getpid(), SIGTERM)
    with pytest.raises(StopRequested):
        pending.pause(60)
    assert pending.waiting
    assert pending.take() == [SIGHUP, SIGTERM]
    assert not pending.waiting


def test_other_orders_wait_for_the_end_of_the_wait(queue: SignalQueue) -> None:
    pending = PendingSignals(queue)
    os.kill(os.getpid(), signal.SIGHUP)
    pending.pause(0.01)
    assert pending.waiting
    assert pending.take() == [SIGHUP]


def test_what_must_go_on_goes_on_during_a_wait(queue: SignalQueue) -> None:
    times: list[float] = []

    def tend() -> float:
        times.append(monotonic())
        return 0.0 if len(times) < 3 else inf

    PendingSignals(queue, tend).pause(0.05)
    assert len(times) == 3
