"""When a worker counts as worn, and which of them are looked at."""

from __future__ import annotations

import mmap
import os

import pytest

from corn_core.arbiter.recycling import (
    LOOK_EVERY,
    MEBIBYTE,
    SETTINGS,
    RecyclingLimits,
    WearGauge,
    memory_of,
)
from corn_core.arbiter.recycling import worn as why_worn
from corn_core.arbiter.roster import Reason, WorkerHandle
from corn_core.setting import Expected
from tests.unit.arbiter.workers import LIMITS, NOW

MEMORY = RecyclingLimits(100 * MEBIBYTE, 0.0)
LIFETIME = RecyclingLimits(0, 60.0)


def handle(pid: int = 1) -> WorkerHandle:
    made = WorkerHandle(pid, pid, 1, 0, NOW, LIMITS)
    made.become_ready(NOW)
    return made


@pytest.mark.parametrize(
    ("age", "memory", "limits", "why"),
    [
        (59.9, None, LIFETIME, None),
        (60.0, None, LIFETIME, "has served for 60 seconds"),
        (1e9, 99 * MEBIBYTE, MEMORY, None),
        (0.0, 100 * MEBIBYTE, MEMORY, "holds 100 MiB of memory"),
        (0.0, None, MEMORY, None),
        (1e9, 1 << 60, RecyclingLimits(0, 0.0), None),
    ],
)
def test_worn(age: float, memory: int | None, limits: RecyclingLimits, why: str | None) -> None:
    found = why_worn(age, memory, limits)
    assert (found.text if found else None) == why


def test_a_worn_worker_asks_to_be_replaced_once() -> None:
    watch, worker = WearGauge(lambda pid: 200 * MEBIBYTE), handle()
    assert watch.look([worker], MEMORY, NOW) == [(worker, "holds 200 MiB of memory")]
    assert worker.recycle_requested
    assert worker.wear == "memory"
    assert watch.look([worker], MEMORY, NOW + LOOK_EVERY) == []


def test_memory_is_not_looked_at_all_the_time() -> None:
    looked: list[int] = []

    def measure(pid: int) -> int:
        looked.append(pid)
        return 0

    watch = WearGauge(measure)
    for moment in (0.0, 1.0, LOOK_EVERY - 0.1, LOOK_EVERY):
        watch.look([handle(7)], MEMORY, NOW + moment)
    assert looked == [7, 7]


def test_without_a_limit_on_memory_it_is_not_measured() -> None:
    def measure(pid: int) -> int:
        raise AssertionError("measured")

    assert WearGauge(measure).look([handle()], LIFETIME, NOW) == []


def test_workers_that_boot_or_leave_are_let_alone() -> None:
    booting, leaving = WorkerHandle(1, 1, 1, 0, NOW, LIMITS), handle(2)
    leaving.retire(Reason.RELOAD, NOW)
    assert WearGauge(lambda pid: 1 << 60).look([booting, leaving], MEMORY, NOW) == []


def test_memory_of_this_process() -> None:
    memory = memory_of(os.getpid())
    assert memory is not None
    assert MEBIBYTE < memory < 1 << 40
    # Fresh pages; what malloc gives may have been ours all the time.
    with mmap.mmap(-1, 32 * MEBIBYTE) as ballast:
        ballast.write(b"x" * (32 * MEBIBYTE))
        grown = memory_of(os.getpid())
    assert grown is not None
    assert grown - memory > 24 * MEBIBYTE


def test_memory_of_nobody() -> None:
    assert memory_of(2**22 + 1) is None


@pytest.mark.parametrize(
    ("raw", "value"),
    [(0, 0), ("0", 0), ("512M", 512 * MEBIBYTE), ("1g", 1024 * MEBIBYTE), (" 4K ", 4096), (7, 7)],
)
def test_size(raw: object, value: int) -> None:
    assert SETTINGS[0].parse(raw) == value


@pytest.mark.parametrize("raw", ["", "M", "1MB", "-1", -1, "1.5G", True, None, "MK1", "1KM"])
def test_no_size(raw: object) -> None:
    with pytest.raises(Expected, match="512M"):
        SETTINGS[0].parse(raw)
