"""Memory that master and workers share: how long requests take, and the level of the log.

The master maps it before it forks. Every slot of the scoreboard has a region, which
only the worker that holds the slot writes to; it is never cleared, so that sums continue when a
worker is replaced. All numbers have 8 bytes, so that a reader sees either the old or the new one.
"""

from __future__ import annotations

import mmap
from _thread import allocate_lock
from bisect import bisect_left
from typing import NamedTuple

from corn_core.plugin import LOG_LEVELS, MAX_WORKERS, SimpleLogger, hookimpl
from corn_core.typing import Logger, Response, WorkerView

BOUNDS = tuple(1e-5 * 2 ** (step / 2) for step in range(47))
"""Upper bounds, in seconds, of the classes of durations: two for each doubling, to 84 seconds."""

_CLASSES = len(BOUNDS) + 1
_SIZE = 1 + _CLASSES
_NUMBER = 8


class Durations(NamedTuple):
    """The requests that were answered so far.

    :param seconds: what they took together.
    :param counts: how many took at most as long as each of :data:`BOUNDS`, and longer than the
        bound before; the last number counts the longer ones.
    """

    seconds: float
    counts: tuple[int, ...]


class Shared:
    """The shared memory."""

    def __init__(self, capacity: int = MAX_WORKERS) -> None:
        self._capacity = capacity
        # Pages take no memory until they are written to, so only slots in use cost any.
        memory = memoryview(mmap.mmap(-1, (capacity * _SIZE + 1) * _NUMBER))
        self._numbers = memory.cast("Q")
        self._seconds = memory.cast("d")
        self._used = 0

    @property
    def level(self) -> int:
        """The level of the log that was ordered; 0 for the configuration's own."""
        return self._numbers[self._capacity * _SIZE]

    @level.setter
    def level(self, level: int) -> None:
        self._numbers[self._capacity * _SIZE] = level

    def note(self, slot: int) -> None:
        """Note that a worker is about to get this slot; slots never used are not read."""
        self._used = max(self._used, slot + 1)

    def count(self, slot: int, seconds: float) -> None:
        """Count a request of the worker in this slot."""
        first = slot * _SIZE
        self._seconds[first] += seconds
        self._numbers[first + 1 + bisect_left(BOUNDS, seconds)] += 1

    def durations(self) -> Durations:
        """Return the requests of all workers that there have been."""
        numbers = (self.durations_of(slot) for slot in range(self._used))
        seconds, counts = 0.0, [0] * _CLASSES
        for each in numbers:
            seconds += each.seconds
            counts = [sofar + more for sofar, more in zip(counts, each.counts, strict=True)]
        return Durations(seconds, tuple(counts))

    def durations_of(self, slot: int) -> Durations:
        """Return the requests of all workers that have had this slot."""
        first = slot * _SIZE
        return Durations(self._seconds[first], tuple(self._numbers[first + 1 : first + _SIZE]))


class Observer:
    """The hooks in the workers, of a server that can be controlled."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._level = 0
        # The interpreter's own lock, even if the threading module has been patched. Threads that
        # finish requests at the same moment hold it for a few stores only.
        self._lock = allocate_lock()

    @hookimpl
    def post_fork(self, worker: WorkerView) -> None:
        """Log from the start as the master has been ordered to."""
        self._follow(worker)

    @hookimpl
    def pre_request(self, worker: WorkerView) -> None:
        self._follow(worker)

    @hookimpl
    def post_request(self, worker: WorkerView, resp: Response | None) -> None:
        if resp is not None:
            with self._lock:
                self._shared.count(worker.slot.index, resp.duration)

    def _follow(self, worker: WorkerView) -> None:
        ordered = self._shared.level
        if ordered != self._level:
            self._level = ordered
            set_level(worker.log, ordered or LOG_LEVELS[worker.cfg.loglevel])


def set_level(log: Logger, level: int) -> bool:
    """Change the lowest level that a logger writes; returns False if this class has none."""
    if not isinstance(log, SimpleLogger):
        return False
    log.error_log.setLevel(level)
    return True
