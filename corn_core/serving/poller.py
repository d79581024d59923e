"""Waiting for readable and writable descriptors, with epoll where there is one.

``select.epoll`` and ``select.poll`` share their register and modify calls and the
values of their event bits, so that the difference is one class with three methods.
"""

from __future__ import annotations

import select
from typing import Protocol

READABLE = 0x001
"""The event that there is something to read, or a client to accept."""
WRITABLE = 0x004
"""The event that there is room to write."""

NOTHING = 0x008
"""An error, which is reported anyway: the mask for a descriptor whose events are not wanted."""


class Poller(Protocol):
    """Waits for descriptors: what a driver asks of the operating system."""

    def register(self, fd: int, eventmask: int, /) -> None: ...
    def modify(self, fd: int, eventmask: int, /) -> None: ...
    def unregister(self, fd: int, /) -> None: ...
    def close(self) -> None: ...
    def register_listener(self, fd: int, /) -> None: ...
    def wait(self, timeout: float) -> list[tuple[int, int]]:
        """Return descriptors and the events that they are ready for, after ``timeout`` seconds at
        most."""


class _PollPoller:
    """poll(2), for systems without epoll."""

    def __init__(self) -> None:
        poll = select.poll()
        self.register = poll.register
        self.modify = poll.modify
        self.unregister = poll.unregister
        self._poll = poll.poll

    def register_listener(self, fd: int, /) -> None:
        self.register(fd, READABLE)

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        return self._poll(timeout * 1000)

    def close(self) -> None:
        """Do nothing: poll(2) keeps no state in the kernel."""


class _EpollPoller:
    """epoll(7), level-triggered."""

    def __init__(self) -> None:
        epoll = select.epoll()
        self.register = epoll.register
        self.modify = epoll.modify
        self.unregister = epoll.unregister
        self.close = epoll.close
        self.fileno = epoll.fileno
        self.wait = epoll.poll

    def register_listener(self, fd: int, /) -> None:
        # Every worker polls the same listening socket. Without EPOLLEXCLUSIVE each new
        # connection wakes all of them, for one to win and the others to go back to sleep.
        self.register(fd, READABLE | select.EPOLLEXCLUSIVE)


def make_poller() -> Poller:
    """Make the best poller of this platform, after the fork: epoll is shared across it."""
    if hasattr(select, "EPOLLEXCLUSIVE"):
        return _EpollPoller()
    return _PollPoller()
