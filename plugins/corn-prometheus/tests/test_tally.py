"""The workers' counters, in shared memory."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import pytest

from corn_prometheus.tally import BUCKETS, Counting, Tally


def worker(slot: int) -> Any:
    return SimpleNamespace(slot=SimpleNamespace(index=slot))


def answered(status: int, seconds: float) -> Any:
    return SimpleNamespace(status_code=status, duration=seconds)


@pytest.fixture
def tally() -> Tally:
    made = Tally(capacity=4)
    for slot in range(4):
        made.note(slot)
    return made


def test_nothing_has_been_counted_yet(tally: Tally) -> None:
    assert list(tally.statuses()) == []
    buckets, total = tally.durations()
    assert [count for _, count in buckets] == [0] * (len(BUCKETS) + 1)
    assert total == 0


def test_a_request_is_in_its_bucket_and_in_all_that_are_longer(tally: Tally) -> None:
    counting = Counting(tally)
    counting.post_request(worker(0), answered(200, 0.3))
    buckets, total = tally.durations()
    assert [bound for bound, count in buckets if count == 0] == [
        *("0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25"),
    ]
    assert buckets[-1] == ("+Inf", 1)
    assert total == 0.3


@pytest.mark.parametrize(("seconds", "bound"), [(0.0, "0.005"), (0.005, "0.005"), (10.0, "10.0")])
def test_a_bound_belongs_to_its_bucket(tally: Tally, seconds: float, bound: str) -> None:
    Counting(tally).post_request(worker(0), answered(200, seconds))
    buckets, _ = tally.durations()
    assert next(text for text, count in buckets if count) == bound


def test_what_takes_longer_than_all_bounds(tally: Tally) -> None:
    Counting(tally).post_request(worker(0), answered(200, 10.1))
    buckets, _ = tally.durations()
    assert [text for text, count in buckets if count] == ["+Inf"]


def test_workers_add_up_across_processes_and_successors(tally: Tally) -> None:
    for slot in (0, 3, 0):  # the third takes the place of the first
        if (pid := os.fork()) == 0:
            Counting(tally).post_request(worker(slot), answered(200, 0.5))
            os._exit(0)
        os.waitpid(pid, 0)
    assert list(tally.statuses()) == [("200", 3)]
    assert [tally.requests(slot) for slot in range(4)] == [2, 0, 0, 1]
    assert tally.durations()[1] == 1.5


def test_statuses(tally: Tally) -> None:
    counting = Counting(tally)
    for status in (100, 404, 404, 599, 600, 0):
        counting.post_request(worker(1), answered(status, 0.0))
    assert list(tally.statuses()) == [("100", 1), ("404", 2), ("599", 1), ("other", 2)]


def test_a_refused_request_has_a_status_and_no_duration(tally: Tally) -> None:
    Counting(tally).request_refused(worker(2), answered(431, 0.0))
    assert list(tally.statuses()) == [("431", 1)]
    assert tally.durations()[0][-1] == ("+Inf", 0)


def test_only_slots_that_had_a_worker_are_looked_at() -> None:
    tally = Tally(capacity=4)
    Counting(tally).post_request(worker(2), answered(200, 0.0))
    tally.note(0)
    assert list(tally.statuses()) == []
    tally.note(2)
    assert list(tally.statuses()) == [("200", 1)]
