"""Views of a server, and what they do not show."""

from __future__ import annotations

import os

import pytest

from corn_control.shared import BOUNDS, Durations, Shared
from corn_control.views import (
    Census,
    census,
    config_rows,
    request_rows,
    resident_memory,
    state_of,
    worker_row,
)
from corn_core.interfaces import WorkerSnapshot

NOW = 1000.0


def worker(pid: int = 1, state: str = "idle", generation: int = 3) -> WorkerSnapshot:
    started = NOW - pid if state == "busy" else 0.0
    return WorkerSnapshot(
        *(pid, pid, 0, state, 7, 2, int(state == "busy"), NOW - 0.25, started, "GET", "/a"),
        serving_since=0.0 if state == "booting" else NOW - 60,
        generation=generation,
    )


def test_census() -> None:
    states = ("idle", "busy", "booting", "draining", "draining")
    workers = [worker(pid, state) for pid, state in enumerate(states, 1)]
    counted = census([*workers, worker(9, "idle", 2)], 2, 3)
    assert counted == Census(2, serving=2, outdated=1, booting=1, draining=2)
    assert not counted.complete
    assert str(counted) == "2 of 2 workers serve, 1 outdated, 1 booting, 2 draining"
    assert census(workers[:2], 2, 3).complete
    assert not census(workers[:2], 1, 3).complete
    assert census([], 0, 3).complete


@pytest.mark.parametrize(
    ("serving", "stopping", "served", "state"),
    [
        *((2, False, True, "serving"), (3, False, True, "serving"), (1, False, True, "changing")),
        *((1, False, False, "starting"), (2, True, True, "stopping")),
    ],
)
def test_state(serving: int, stopping: bool, served: bool, state: str) -> None:
    assert state_of(Census(2, serving, 0, 0, 0), stopping, served) == state


def test_worker() -> None:
    row = worker_row(worker()._replace(pid=os.getpid()), Durations(1.5, (1, 2)), NOW)
    assert row.pop("memory") > 2**20
    assert row == {
        "pid": os.getpid(),
        "age": 1,
        "generation": 3,
        "slot": 0,
        "state": "idle",
        "requests": 7,
        "connections": 2,
        "in_flight": 0,
        "silent": 0.25,
        "serving": 60.0,
        "seconds": 1.5,
        "counted": 3,
    }
    assert worker_row(worker(1, "booting"), Durations(0.0, ()), NOW)["serving"] is None


def test_memory() -> None:
    assert 2**20 < (resident_memory(os.getpid()) or 0) < 2**36
    assert resident_memory(2**22 + 1) is None


def test_the_longest_request_comes_first() -> None:
    rows = request_rows([worker(1), worker(2, "busy"), worker(5, "busy")], NOW)
    assert [(row["pid"], row["seconds"], row["path"]) for row in rows] == [
        *((5, 5.0, "/a"), (2, 2.0, "/a"), (1, None, None)),
    ]


def test_secrets_are_not_shown() -> None:
    values = {
        "raw_env": ["PASSWORD=hunter2", "DEBUG=1=2"],
        "raw_paste_global_conf": [],
        "logconfig_dict": {"handlers": {"mail": {"credentials": "hunter2"}}},
        "workers": 2,
    }
    described = [(name, repr(value), "flag -e") for name, value in values.items()]
    rows = {row["name"]: row for row in config_rows(described, values)}
    assert "hunter2" not in str(rows)
    assert rows["raw_env"]["value"] == "['PASSWORD=<hidden>', 'DEBUG=<hidden>']"
    assert rows["raw_paste_global_conf"]["value"] == "[]"
    assert rows["workers"] == {"name": "workers", "value": "2", "origin": "flag -e"}


def test_durations_are_shared_by_slot() -> None:
    shared = Shared(capacity=3)
    shared.count(1, 0.00001)
    assert sum(shared.durations().counts) == 0, "no worker has had the slot"
    shared.note(1)
    shared.count(0, BOUNDS[-1] + 1)
    shared.level = 10
    total = shared.durations()
    assert total.counts[0] == total.counts[-1] == 1 and sum(total.counts) == 2
    assert total.seconds == pytest.approx(BOUNDS[-1] + 1.00001)
    assert shared.durations_of(1).counts[0] == 1 and shared.durations_of(2).seconds == 0
    assert shared.level == 10
