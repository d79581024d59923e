"""The recycler: looks at the workers now and then, and has those replaced that are worn.

``server.recycle`` goes the way that ``max_requests`` goes: a worker serves until another one is
ready, and they are replaced one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from math import inf
from time import monotonic
from typing import NamedTuple

from corn_core.plugin import hookimpl
from corn_core.typing import Server, WorkerSnapshot

MEBIBYTE = 1 << 20

LOOK_EVERY = 5.0
"""Seconds between looks at the workers' memory, which cost the kernel a walk of their pages."""


class RecyclingLimits(NamedTuple):
    """The memory in bytes and the age in seconds at which a worker is worn; 0 means no limit."""

    memory: int
    lifetime: float


class Worn(NamedTuple):
    """Why a worker is to be replaced.

    :param why: the reason that ``child_exit`` gets.
    :param text: the end of a sentence about the worker.
    """

    why: str
    text: str


def worn(age: float, memory: int | None, limits: RecyclingLimits) -> Worn | None:
    """Return why a worker is to be replaced, or ``None``.

    :param age: seconds that it has served.
    :param memory: ``None`` when it is not known.
    """
    if limits.lifetime and age >= limits.lifetime:
        return Worn("lifetime", f"has served for {age:.0f} seconds")
    if limits.memory and memory is not None and memory >= limits.memory:
        return Worn("memory", f"holds {memory / MEBIBYTE:.0f} MiB of memory")
    return None


def memory_of(pid: int) -> int | None:
    """Return the proportional set size of a process in bytes, or the resident one; see proc(5)."""
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            with open(f"/proc/{pid}/{name}", encoding="ascii", errors="replace") as file:
                for line in file:
                    if line.startswith(field):
                        return int(line.split()[1]) * 1024
        except OSError:
            continue  # it has just died, or belongs to another user, or there is no /proc
    return None


class Recycler:
    """The hooks of the two settings, for a configuration that sets at least one of them.

    :param measure: returns the memory of a process in bytes, or ``None`` if it cannot be had.
    """

    def __init__(
        self, limits: RecyclingLimits, measure: Callable[[int], int | None] = memory_of
    ) -> None:
        self._limits = limits
        self._measure = measure
        self._look_at = -inf

    @hookimpl
    def on_tick(self, server: Server) -> None:
        for pid, found in self.look(server.snapshot(), monotonic()):
            if server.recycle(pid, found.why):
                server.log.info("Worker (pid:%s) %s; it will be replaced", pid, found.text)

    def look(self, workers: Iterable[WorkerSnapshot], now: float) -> Iterator[tuple[int, Worn]]:
        """Yield the worn workers; none at all if the last look was only moments ago."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        for worker in workers:
            if worker.state in ("idle", "busy"):
                memory = self._measure(worker.pid) if self._limits.memory else None
                found = worn(now - worker.serving_since, memory, self._limits)
                if found is not None:
                    yield worker.pid, found
