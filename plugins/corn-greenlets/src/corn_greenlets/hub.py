"""Define what the greenlet driver asks of a library of greenlets; a worker supplies it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol


class Gate(Protocol):
    """The place where one greenlet waits for one descriptor; masks are those of ``poller``."""

    def wait(self, mask: int) -> int:
        """Sleep until the descriptor can be read or written, or until :meth:`wake`.

        The wait for reading may leave the descriptor registered with the hub, since the next
        wait is for the same as a rule, and each change would be a system call.

        :param mask: 0 waits for :meth:`wake` alone.
        :returns: the mask, or 0 after :meth:`wake`.
        """

    def spawn(self, function: Callable[..., None], *arguments: object) -> Any:
        """Begin a greenlet when the descriptor can be read, or after :meth:`wake`.

        It begins in the hub's round of all that are ready, not before that, as other greenlets do.

        :returns: a handle for :meth:`Scheduler.kill`.
        """

    def wake(self) -> None:
        """End the wait that goes on now; without one, do nothing."""

    def release(self) -> None:
        """Let the hub forget the descriptor, which is to be closed or given away."""


class Scheduler(Protocol):
    """A hub and its greenlets."""

    def gate(self, fd: int) -> Gate: ...

    def spawn(self, function: Callable[..., None], *arguments: object) -> Any:
        """Begin a greenlet, soon; returns a handle for :meth:`kill`."""

    def sleep(self, seconds: float) -> None:
        """Let others run, for 0 seconds at least once each."""

    def kill(self, greenlets: Iterable[Any], patience: float) -> None:
        """Throw the library's GreenletExit into greenlets, and wait so long for their end."""
