"""Signals of the master: handlers only enqueue; the loop asks for what has come."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Iterable
from types import FrameType
from typing import Any


class SignalQueue:
    """The signals that have arrived and have not been handled, in order of arrival.

    ``fileno()`` is readable while there are any, for a selector. Only the main thread may
    install, drain and restore.
    """

    def __init__(self) -> None:
        self._arrived: deque[int] = deque()
        self._previous: dict[int, Any] = {}
        self._previous_wakeup = -1
        self._read_fd, self._write_fd = os.pipe()
        # A handler that blocked on a full pipe would stop the only thread that empties it;
        # and drain() must be able to read until nothing is left.
        os.set_blocking(self._read_fd, False)
        os.set_blocking(self._write_fd, False)

    def fileno(self) -> int:
        return self._read_fd

    def install(self, handled: Iterable[int]) -> None:
        """Begin to queue these signals, in the place of what happened on them before."""
        # The descriptor first: from the first handler on, a signal must wake the loop.
        # CPython writes to it in the C handler, so it wakes even a select() that has not
        # returned to Python yet. A full pipe already wakes, so it deserves no warning.
        previous = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        if previous != self._write_fd:
            self._previous_wakeup = previous
        for number in handled:
            before = signal.signal(number, self._enqueue)
            self._previous.setdefault(number, before)

    def _enqueue(self, number: int, frame: FrameType | None) -> None:
        self._arrived.append(number)

    def drain(self) -> list[int]:
        """Take all signals that have arrived, oldest first."""
        # The pipe before the queue: a signal that comes between the two leaves a byte that
        # wakes the loop once for nothing. The other way round it would sleep on a signal.
        try:
            while len(os.read(self._read_fd, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass  # empty: drained without having been woken, or to the last byte
        taken = []
        while self._arrived:
            taken.append(self._arrived.popleft())
        return taken

    def hold(self) -> None:
        """Keep the handled signals pending in the kernel, until :meth:`let_go`.

        Used around a fork: a signal that the child gets before it has handlers of its own would
        go to the child's copy of this queue, which is never read, and be lost; and its byte
        would wake the parent, with which the child still shares the pipe.
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, self._previous)

    def let_go(self) -> None:
        """Deliver what :meth:`hold` kept back, to the handlers of now."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._previous)

    def restore(self) -> None:
        """Put back what happened on the signals before, and forget those that have arrived.

        What :meth:`hold` keeps stays pending: the numbers are remembered for :meth:`let_go`.
        """
        for number, before in self._previous.items():
            # None: a handler that was not set from Python, and cannot be from here.
            signal.signal(number, signal.SIG_DFL if before is None else before)
        signal.set_wakeup_fd(self._previous_wakeup)
        self._previous_wakeup = -1
        self._arrived.clear()

    def close(self) -> None:
        """Close the pipe, after :meth:`restore`; in a child, of that child's side only."""
        os.close(self._read_fd)
        os.close(self._write_fd)
