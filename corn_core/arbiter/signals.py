"""Pending signals, and a sleep that a stop signal interrupts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from math import inf

# Taken now: a worker class may replace what the module has when an application is preloaded.
from select import select
from time import monotonic

from corn_core.arbiter.policy import Stopping
from corn_core.process.signals import SignalQueue

STOPS: dict[int, Stopping] = {
    signal.SIGTERM: Stopping.GRACEFUL,
    signal.SIGINT: Stopping.QUICK,
    signal.SIGQUIT: Stopping.QUICK,
}
"""The signals that end the server, and how."""


class StopRequested(Exception):
    """A wait was broken off because the server is to stop."""


class PendingSignals:
    """The signals that have been taken from the queue and not been obeyed yet.

    :param tick: called during a wait; returns the seconds until it must be called again.
    :ivar waiting: True if there are any.
    """

    def __init__(self, queue: SignalQueue, tick: Callable[[], float] = lambda: inf) -> None:
        self._queue = queue
        self._tick = tick
        self._held: list[int] = []

    @property
    def waiting(self) -> bool:
        return bool(self._held)

    def take(self) -> list[int]:
        """Take all that have arrived, oldest first, without those that need no obeying."""
        arrived = self._held + self._queue.drain()
        self._held = []
        return relevant(arrived)

    def pause(self, seconds: float) -> None:
        """Let time pass.

        :raises StopRequested: at once, when the server is told to stop; the signal stays pending.
        """
        end = monotonic() + seconds
        while (left := end - monotonic()) > 0:
            select([self._queue], [], [], min(left, self._tick()))
            self._held += self._queue.drain()
            if not STOPS.keys().isdisjoint(self._held):
                raise StopRequested


def relevant(arrived: Sequence[int]) -> list[int]:
    """Leave out SIGCHLD, and every SIGHUP but the last.

    A SIGCHLD has woken the loop, which is all it is for: every cycle reaps. And the last
    SIGHUP reads the latest configuration, so what the earlier ones would read is stale.
    """
    pending = [number for number in arrived if number != signal.SIGCHLD]
    return [
        number
        for index, number in enumerate(pending)
        if number != signal.SIGHUP or number not in pending[index + 1 :]
    ]


def name_of(number: int) -> str:
    """Return a signal's name as the log has it, such as ``hup``."""
    return signal.Signals(number).name.removeprefix("SIG").lower()
