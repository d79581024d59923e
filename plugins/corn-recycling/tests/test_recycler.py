"""When a worker counts as worn, and which of them are looked at."""

from __future__ import annotations

import mmap
import os

import pytest

from corn_core.plugin import Expected
from corn_core.typing import WorkerSnapshot
from corn_recycling.plugin import SETTINGS
from corn_recycling.recycler import (
    LOOK_EVERY,
    MEBIBYTE,
    Recycler,
    RecyclingLimits,
    Worn,
    memory_of,
)
from corn_recycling.recycler import worn as why_worn

NOW = 1000.0
MEMORY = RecyclingLimits(100 * MEBIBYTE, 0.0)
LIFETIME = RecyclingLimits(0, 60.0)


def worker(pid: int = 1, state: str = "idle") -> WorkerSnapshot:
    return WorkerSnapshot(pid, pid, 0, state, 0, 0, 0, NOW, 0.0, "", "", serving_since=NOW)


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


def test_worn_workers_are_named_with_the_reason() -> None:
    sizes = {1: 200 * MEBIBYTE, 2: 50 * MEBIBYTE}
    recycler = Recycler(MEMORY, sizes.get)
    assert list(recycler.look([worker(1), worker(2), worker(3)], NOW)) == [
        (1, Worn("memory", "holds 200 MiB of memory"))
    ]


def test_age_counts_from_the_end_of_the_boot() -> None:
    young = worker(2)._replace(serving_since=NOW + 1)
    assert [pid for pid, _ in Recycler(LIFETIME).look([worker(1), young], NOW + 60)] == [1]


def test_memory_is_not_looked_at_all_the_time() -> None:
    looked: list[int] = []

    def measure(pid: int) -> int:
        looked.append(pid)
        return 0

    recycler = Recycler(MEMORY, measure)
    for moment in (0.0, 1.0, LOOK_EVERY - 0.1, LOOK_EVERY):
        assert list(recycler.look([worker(7)], NOW + moment)) == []
    assert looked == [7, 7]


def test_without_a_limit_on_memory_it_is_not_measured() -> None:
    def measure(pid: int) -> int:
        raise AssertionError("measured")

    assert list(Recycler(LIFETIME, measure).look([worker()], NOW)) == []


@pytest.mark.parametrize("state", ["booting", "draining"])
def test_workers_that_boot_or_leave_are_let_alone(state: str) -> None:
    assert list(Recycler(MEMORY, lambda pid: 1 << 60).look([worker(1, state)], NOW)) == []


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
