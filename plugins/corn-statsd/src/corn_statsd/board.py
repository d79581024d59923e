"""Shared memory between the master and its workers: where to send, and what failed.

Only the master looks up names and writes to the log, so that neither ever delays a request, and
one line reports what happens to all processes. It publishes addresses here, and each worker
counts its failures in a cell of its own: no number is written by two processes.

=======  =====  ===============================================================
offset   type   what
=======  =====  ===============================================================
0        u64    how many addresses have been published
256      u16 s  an even one of them: its length, then family and address as
                ``marshal`` writes them
512      u16 s  an odd one, likewise
768      u64 2  for each cell: the failures of that process, and the last errno
=======  =====  ===============================================================
"""

from __future__ import annotations

import marshal
import mmap
from typing import Any

Target = tuple[int, Any]
"""An address family, and an address in the form that connect(2) takes."""

MASTER = 0
"""The master's cell; a worker has the one after the index of its slot."""

CELLS = 1025

_RECORD = 256
_FIRST_CELL = 3 * _RECORD
_NUMBER = 8


class Board:
    """The shared memory; made before the fork, so that all processes have the same."""

    def __init__(self) -> None:
        memory = memoryview(mmap.mmap(-1, _FIRST_CELL + 2 * _NUMBER * CELLS))
        self._bytes = memory
        # Storing an element writes 8 bytes at once, so a reader never sees half of it.
        self.numbers = memory.cast("Q")

    @property
    def version(self) -> int:
        """The number of addresses published so far; transports read ``numbers[0]`` directly."""
        return self.numbers[0]

    def publish(self, target: Target) -> None:
        """Tell all processes where to send from now on; not more often than they can read it."""
        version = self.numbers[0] + 1
        record = marshal.dumps((int(target[0]), target[1]))
        start = _start(version)
        # The latest record is left alone, because a worker may be reading it.
        self._bytes[start : start + 2 + len(record)] = len(record).to_bytes(2, "big") + record
        self.numbers[0] = version

    def target(self) -> Target | None:
        """Return the latest address, or None if there is none yet."""
        version = self.numbers[0]
        if not version:
            return None
        start = _start(version) + 2
        length = int.from_bytes(self._bytes[start - 2 : start], "big")
        family, address = marshal.loads(self._bytes[start : start + length])
        return family, address

    def fail(self, cell: int, number: int) -> None:
        """Count a datagram that could not be sent, and record the errno."""
        index = _index(cell)
        # Threads of one process may overwrite each other's count. What matters is that there was
        # a failure, not how many.
        self.numbers[index] += 1
        self.numbers[index + 1] = number

    def failures(self, cell: int) -> tuple[int, int]:
        """Return how many failures a process has had, and the errno of the last one."""
        index = _index(cell)
        return self.numbers[index], self.numbers[index + 1]


def _start(version: int) -> int:
    return _RECORD * (1 + version % 2)


def _index(cell: int) -> int:
    return _FIRST_CELL // _NUMBER + 2 * min(cell, CELLS - 1)
