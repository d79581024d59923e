"""Waking the watcher when calls of the application do not get on.

The watcher needs the interpreter to look at a call, and it gets it only when the holder of the loop
lets go of it: both then wait for each other at each system call for a while, which costs some
hundred microseconds. So it is woken only when there is something to see. The holder keeps putting
off a timer of the kernel; while its calls are fast the timer never goes off.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from threading import Lock
from time import CLOCK_MONOTONIC
from typing import Protocol

from corn_gthread.usage import SLOW

STRIDE = 32
"""The most calls, each fast, for which the timer is set once."""

CALL = 2
"""What the number of a call is greater by than that of the one before, see ``Leadership.call``."""

NEVER = 1 << 62


class Alarm(Protocol):
    """Makes the watcher wait.

    :ivar due: the number of the call with which the holder has to put the alarm off.
    """

    due: int

    def put_off(self, call: int) -> None:
        """Let ``SLOW`` pass from now on until the watcher wakes; the holder, within this call."""

    def wait(self, calling: Callable[[], bool]) -> None:
        """Wait until a call may have lasted for ``SLOW``, or :meth:`ring` is called.

        The holder begins a call and then looks at :attr:`due`. The watcher sets that and then asks
        whether there is a call. So one of the two sees what the other did.

        :param calling: tells whether the holder is in a call.
        """

    def nap(self, seconds: float) -> None:
        """Wait for this time, also if :meth:`ring` is called."""

    def ring(self) -> None:
        """Wake the watcher, now or as soon as it waits."""

    def close(self) -> None:
        """Give back what the system has lent."""


class Timer:
    """A timer of Linux that can be waited for as a descriptor, timerfd_create(2).

    :ivar set: lets it go off after so many nanoseconds, and not when it was to go off before.
    :raises OSError: if the system does not have it.
    """

    def __init__(self) -> None:
        self.fd, self.set = _from_os() if hasattr(os, "timerfd_create") else _from_libc()

    def wait(self) -> None:
        """Wait until it has gone off since the last call."""
        os.read(self.fd, 8)

    def close(self) -> None:
        os.close(self.fd)


def _from_os() -> tuple[int, Callable[[int], object]]:
    """Make a timer; returns what sets it, too. From Python 3.13 on."""
    fd = os.timerfd_create(CLOCK_MONOTONIC, flags=os.TFD_CLOEXEC)  # type: ignore[attr-defined]
    settime = os.timerfd_settime_ns  # type: ignore[attr-defined]
    return fd, lambda nanoseconds: settime(fd, initial=nanoseconds)


def _from_libc() -> tuple[int, Callable[[int], object]]:
    """Make a timer where Python has no function for it; returns what sets it, too."""
    # Not CDLL, which releases the interpreter for each call.
    libc = ctypes.PyDLL(None, use_errno=True)
    try:
        create, settime = libc.timerfd_create, libc.timerfd_settime
    except AttributeError:
        raise OSError("no timerfd_create") from None
    fd = create(CLOCK_MONOTONIC, os.O_CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), "timerfd_create")
    settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    # struct itimerspec: seconds and nanoseconds of the interval, and of the first time.
    spec = (ctypes.c_long * 4)()
    pointer = ctypes.addressof(spec)

    def set_timer(nanoseconds: int) -> None:
        spec[2], spec[3] = divmod(nanoseconds, 1_000_000_000)
        settime(fd, 0, pointer, None)

    return fd, set_timer


class TimerAlarm:
    """An alarm that does not wake the watcher while calls are fast.

    :param slow: the seconds after which a call is slow.
    """

    def __init__(self, slow: float = SLOW) -> None:
        self.due = 0
        self._timer = Timer()
        self._slow = int(slow * 1e9)
        self._stride = STRIDE
        self._gate = Lock()
        self._gate.acquire()

    def put_off(self, call: int) -> None:
        self._stride = min(STRIDE, self._stride + 1)
        self.due = call + CALL * self._stride
        self._timer.set(self._slow)

    def wait(self, calling: Callable[[], bool]) -> None:
        self.due = 0
        if calling():
            # It has gone off between calls of which none was slow.
            self._stride = max(1, self._stride // 2)
            self._timer.set(self._slow)
        self._timer.wait()

    def nap(self, seconds: float) -> None:
        self._gate.acquire(timeout=seconds)

    def ring(self) -> None:
        self._timer.set(1)

    def close(self) -> None:
        self._timer.close()


class NapAlarm:
    """An alarm for systems without such a timer: while there are calls, the watcher naps."""

    def __init__(self) -> None:
        self.due = 0
        self._asleep = False
        self._stirred = False
        self._lock = Lock()
        self._gate = Lock()
        self._gate.acquire()

    def put_off(self, call: int) -> None:
        self.due = NEVER
        self.ring()

    def wait(self, calling: Callable[[], bool]) -> None:
        self.due = 0
        with self._lock:
            stirred, self._stirred = self._stirred, False
            self._asleep = not stirred and not calling()
        if self._asleep:
            self._gate.acquire()
        else:
            self.nap(SLOW)

    def nap(self, seconds: float) -> None:
        self._gate.acquire(timeout=seconds)

    def ring(self) -> None:
        with self._lock:
            self._stirred = True
            if self._asleep:
                self._asleep = False
                self._gate.release()

    def close(self) -> None:
        pass


def make_alarm() -> Alarm:
    """Make the best alarm that the system has."""
    try:
        return TimerAlarm()
    except OSError:
        return NapAlarm()
