"""Measures what a thread has had of the processor, and judges calls of the application by that.

A call is slow when it waits: for a database, a lock, another service. Another thread can then go
on with the loop. The clock on the wall does not tell that: on a busy machine a call also takes long
because its thread waits for a processor, and handing the loop to another thread would not bring it
one. The thread's own processor clock tells computing from the rest, and Linux says of a thread
whether it waits for a processor, and for how long it has (``/proc/PID/task/TID``).

Where a system does not have these, only the time on the wall counts.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from enum import Enum, auto
from time import monotonic, process_time
from typing import NamedTuple

SLOW = 0.002
"""Seconds of waiting after which a call is slow, and should not hold the loop."""

LONG = 0.01
"""Seconds of computing after which a call loses the loop: connections have to be accepted, and
heartbeats sent, beside it. A call that needs the interpreter hardly gains from
being beside the loop, so this is longer than ``SLOW``."""

BRIEF = 0.00025
"""Seconds between two looks at a call that seems to wait, and while calls prove to be slow. Each
look costs about 10 us, and each slow call holds up the others until it is looked at twice."""


class Verdict(Enum):
    """Says what becomes of the loop while its holder is inside a call."""

    KEEP = auto()
    """the call goes on holding it"""
    DOUBT = auto()
    """the same, but look again soon: the call seems to wait"""
    SLOW = auto()
    """it passes on, and the call's path is slow"""
    LONG = auto()
    """it passes on; the path is as it was"""


class Sight(NamedTuple):
    """The result of a look at a call, in seconds."""

    lasts: float
    """since the first look at the call"""
    ran: float
    """of that, on a processor"""
    naps: float
    """of that, while the watcher meant to nap"""
    ran_lately: float
    """on a processor since the look before"""
    nap: float
    """for how long the watcher meant to nap since then"""


def judge(sight: Sight, runnable: Callable[[], bool]) -> Verdict:
    """Decide about a call that was found running at two looks or more.

    The watcher needs the interpreter and a processor to look. So it comes late when the call could
    not have them either, and only the time that it meant to nap is held against the call.

    :param runnable: whether the call's thread is running, or waits for a processor; is asked when
        that decides, because it takes some time.
    """
    if sight.ran_lately <= sight.nap / 2 and not runnable():
        # It may have waited for a processor, have got one just now, and wait for the interpreter,
        # which the watcher has. Then it goes on at once.
        return Verdict.SLOW if sight.nap <= BRIEF else Verdict.DOUBT
    if sight.ran < LONG:
        return Verdict.KEEP
    if sight.ran > sight.lasts / 2 and sight.naps > sight.lasts / 2:
        # It computes, and the interpreter was there for the watcher all the time: a library that
        # has released it, such as one that hashes passwords. Threads do help these.
        return Verdict.SLOW
    return Verdict.LONG


def was_slow(lasted: float, queued: float, process: float) -> bool | None:
    """Decide about a call that has ended beside the loop. Returns None when one cannot tell.

    It cannot be told whether a thread was waiting for the interpreter or for anything else. So a
    call is taken for slow only if it has lasted for longer than the process as a whole was at work.

    :param queued: how long its thread has waited for a processor meanwhile.
    :param process: the processor time of all threads meanwhile.
    """
    if lasted - queued <= SLOW:
        return False
    return True if lasted - queued - process > SLOW else None


class Began(NamedTuple):
    """The moment at which a call began, and the processor time of the process until then."""

    at: float
    process: float

    @classmethod
    def now(cls) -> Began:
        return cls(monotonic(), process_time())


class Meter:
    """Reads the clocks of a thread; made by that thread."""

    def __init__(self) -> None:
        self._clock = None
        if hasattr(time, "pthread_getcpuclockid"):
            self._clock = time.pthread_getcpuclockid(threading.get_ident())
        self._queued = 0
        self._fd = -1
        try:
            # In limits of the /proc that is mounted, whose thread numbers may be other ones.
            self._place = f"/proc/{os.readlink('/proc/thread-self')}"
            self._fd = os.open(f"{self._place}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            # Not Linux, no /proc, or a kernel that does not count.
            return

    # The watcher reads this many times a second while the thread is in a call. Unlike a look into
    # /proc it does not release the interpreter: the thread would take it, and the watcher would
    # have to interrupt it again. When the worker stops, the thread may end between two looks.

    def ran(self) -> float:
        """Return the seconds the thread has been on a processor; 0.0 where that is not known."""
        if self._clock is None:
            return 0.0
        try:
            return time.clock_gettime(self._clock)
        except OSError:
            return 0.0

    def runnable(self) -> bool:
        """Tell whether the thread is running, or waits for a processor; False if unknown."""
        if self._fd < 0:
            return False
        try:
            with open(f"{self._place}/stat", "rb") as file:
                # "TID (name) STATE ...", and the name may contain anything.
                return file.read().rpartition(b") ")[2].startswith(b"R")
        except (FileNotFoundError, ProcessLookupError):
            return False

    def was_slow(self, began: Began) -> bool | None:
        """Decide about a call that the thread has ended now, see :func:`was_slow`."""
        lasted = monotonic() - began.at
        if lasted <= SLOW:
            return False
        # Counted from the last call that took long, not from the beginning of this one: that saves
        # a system call for each, and if it says too much, one cannot tell.
        queued = 0.0
        if self._fd >= 0:
            before, self._queued = self._queued, int(os.pread(self._fd, 64, 0).split()[1])
            queued = (self._queued - before) * 1e-9
        return was_slow(lasted, queued, process_time() - began.process)

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
