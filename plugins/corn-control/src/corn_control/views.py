"""Makes what commands show: pure functions of the workers' snapshots, and of the clock."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

from corn_control.shared import BOUNDS, Durations
from corn_core.typing import WorkerSnapshot

_PAGE = os.sysconf("SC_PAGE_SIZE")
_SERVING = ("idle", "busy")

HIDDEN = "<hidden>"

ASSIGNMENTS = ("raw_env", "raw_paste_global_conf")
"""Settings with NAME=VALUE texts, whose values may be secrets of the application."""

WITHHELD = ("logconfig_dict",)
"""Settings that may contain anything, such as a mail server's password."""


class Census(NamedTuple):
    """The number of workers, by what they are there for.

    :param serving: those of the generation in force.
    :param outdated: those that serve for an older generation.
    """

    wanted: int
    serving: int
    outdated: int
    booting: int
    draining: int

    @property
    def complete(self) -> bool:
        """True if there are exactly the wanted workers, and no others."""
        others = self.outdated + self.booting + self.draining
        return self.serving == self.wanted and not others

    def __str__(self) -> str:
        text = f"{self.serving} of {self.wanted} workers serve"
        others = ("outdated", "booting", "draining")
        more = [f"{getattr(self, name)} {name}" for name in others if getattr(self, name)]
        return ", ".join((text, *more))


def census(workers: Iterable[WorkerSnapshot], wanted: int, generation: int) -> Census:
    """Count workers."""
    serving = outdated = booting = draining = 0
    for worker in workers:
        if worker.state == "booting":
            booting += 1
        elif worker.state not in _SERVING:
            draining += 1
        elif worker.generation == generation:
            serving += 1
        else:
            outdated += 1
    return Census(wanted, serving, outdated, booting, draining)


def state_of(counted: Census, stopping: bool, served: bool) -> str:
    """Return the state of a server, in one word.

    :param served: True if it has been complete before.
    """
    if stopping:
        return "stopping"
    if counted.serving >= counted.wanted:
        return "serving"
    return "changing" if served else "starting"


def worker_row(worker: WorkerSnapshot, durations: Durations, now: float) -> dict[str, Any]:
    """Return what is known about a worker.

    :param durations: of all workers that have had its slot.
    """
    return {
        "pid": worker.pid,
        "age": worker.age,
        "generation": worker.generation,
        "slot": worker.slot,
        "state": worker.state,
        "requests": worker.requests,
        "connections": worker.connections,
        "in_flight": worker.in_flight,
        "silent": round(max(0.0, now - worker.heartbeat), 3) if worker.heartbeat else None,
        "serving": round(now - worker.serving_since, 3) if worker.serving_since else None,
        "memory": resident_memory(worker.pid),
        "seconds": round(durations.seconds, 6),
        "counted": sum(durations.counts),
    }


def request_rows(workers: Iterable[WorkerSnapshot], now: float) -> list[dict[str, Any]]:
    """Return what each worker does now, with the longest request first."""
    rows = [
        {
            "pid": worker.pid,
            "state": worker.state,
            "in_flight": worker.in_flight,
            "method": worker.method if worker.request_started else None,
            "path": worker.path if worker.request_started else None,
            "seconds": (
                round(max(0.0, now - worker.request_started), 3) if worker.request_started else None
            ),
        }
        for worker in workers
    ]
    return sorted(rows, key=lambda row: -(row["seconds"] or 0.0))


def durations_row(durations: Durations) -> dict[str, Any]:
    """Return the durations of requests, for an answer."""
    return {
        "seconds": round(durations.seconds, 6),
        "bounds": [round(bound, 7) for bound in BOUNDS],
        "counts": list(durations.counts),
    }


def config_rows(described: Iterable[tuple[str, str, str]], values: dict[str, Any]) -> list[Any]:
    """Return the settings with their origins, without what may be secret.

    :param described: each setting's name, value as text, and origin.
    :param values: the values by name.
    """
    rows = []
    for name, text, origin in described:
        if name in ASSIGNMENTS and values[name]:
            names = [str(each).partition("=")[0] for each in values[name]]
            text = repr([f"{each}={HIDDEN}" for each in names])
        elif name in WITHHELD and values[name]:
            text = HIDDEN
        rows.append({"name": name, "value": text, "origin": origin})
    return rows


def resident_memory(pid: int) -> int | None:
    """Return the resident set of a process in bytes; None without /proc, or if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return None
