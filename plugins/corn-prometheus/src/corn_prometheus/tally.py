"""The workers' counters, in memory that they share with the master.

Every slot of the scoreboard has a region here, written only by the worker that holds the slot. It
is never cleared, so the sums continue when a worker is replaced. All numbers have the machine's
byte order and 8 bytes, so that a reader sees either the old or the new one. The layout of a
region, in units of 8 bytes:

=========  =====  =================================================================
position   type   what
=========  =====  =================================================================
0          f64    seconds that all requests took together
1 ..       u64    requests by duration: for each of BUCKETS those that took at most
                  that long and longer than the one before, then the longer ones
16 ..      u64    responses by status: 100 to 599, and then all others
=========  =====  =================================================================
"""

from __future__ import annotations

import mmap
from _thread import allocate_lock
from bisect import bisect_left
from collections.abc import Iterator

from corn_core.plugin import MAX_WORKERS, hookimpl
from corn_core.typing import Response, WorkerView

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds in seconds; the defaults of Prometheus's own client libraries."""

_STATUSES = 16
_FIRST, _LAST = 100, 599
_OTHER = _LAST + 1 - _FIRST
_SIZE = _STATUSES + _OTHER + 1
assert 1 + len(BUCKETS) + 1 <= _STATUSES

_NUMBER = 8


class Tally:
    """The shared memory, read by the master and written by :class:`Counting`."""

    def __init__(self, capacity: int = MAX_WORKERS) -> None:
        # Pages take no memory until they are written to, so only slots in use cost any.
        self._memory = memoryview(mmap.mmap(-1, capacity * _SIZE * _NUMBER))
        self.numbers = self._memory.cast("Q")
        self.seconds = self._memory.cast("d")
        self._used = 0

    def note(self, slot: int) -> None:
        """Note that a worker is about to get this slot; slots never used are not read."""
        self._used = max(self._used, slot + 1)

    def requests(self, slot: int) -> int:
        """Return the number of responses of all workers that have had this slot."""
        first = slot * _SIZE + _STATUSES
        return sum(self.numbers[first : first + _OTHER + 1])

    def statuses(self) -> Iterator[tuple[str, int]]:
        """Yield each status that occurred, with the number of responses."""
        for index in range(_OTHER + 1):
            if count := sum(self._each_slot(_STATUSES + index)):
                yield ("other" if index == _OTHER else str(_FIRST + index)), count

    def durations(self) -> tuple[list[tuple[str, int]], float]:
        """Return the cumulative buckets, and the sum of all durations in seconds."""
        buckets, sofar = [], 0
        for index, bound in enumerate((*map(str, BUCKETS), "+Inf")):
            sofar += sum(self._each_slot(1 + index))
            buckets.append((bound, sofar))
        return buckets, sum(self.seconds[: self._used * _SIZE : _SIZE])

    def _each_slot(self, position: int) -> memoryview:
        return self.numbers[position : self._used * _SIZE : _SIZE]


class Counting:
    """The hooks in the workers, which count every response."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        # The interpreter's own lock, even if the threading module has been patched. Threads that
        # finish requests at the same moment hold it for a few stores only.
        self._lock = allocate_lock()

    @hookimpl
    def post_request(self, worker: WorkerView, resp: Response) -> None:
        first = worker.slot.index * _SIZE
        numbers, seconds = self._tally.numbers, self._tally.seconds
        duration = resp.duration
        bucket = first + 1 + bisect_left(BUCKETS, duration)
        with self._lock:
            numbers[bucket] += 1
            seconds[first] += duration
            numbers[first + _position(resp.status_code)] += 1

    @hookimpl
    def request_refused(self, worker: WorkerView, resp: Response) -> None:
        with self._lock:
            self._tally.numbers[worker.slot.index * _SIZE + _position(resp.status_code)] += 1


def _position(status: int) -> int:
    return _STATUSES + (status - _FIRST if _FIRST <= status <= _LAST else _OTHER)
