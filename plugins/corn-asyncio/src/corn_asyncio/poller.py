"""Pollers within an event loop: they never wait, the loop waits for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from corn_core.worker import READABLE, WRITABLE, Poller

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class NestedPoller:
    """A poller with a descriptor of its own, which the loop waits for.

    EPOLLEXCLUSIVE has no effect at one remove: a new connection wakes every idle worker, as
    with any other server on asyncio, and one of them gets it.
    """

    def __init__(
        self, poller: Poller, fd: int, loop: AbstractEventLoop, on_events: Callable[[], None]
    ) -> None:
        self.register = poller.register
        self.modify = poller.modify
        self.unregister = poller.unregister
        self.register_listener = poller.register_listener
        self.wait = poller.wait
        self._poller = poller
        self._fd = fd
        self._loop = loop
        loop.add_reader(fd, on_events)

    def close(self) -> None:
        self._loop.remove_reader(self._fd)
        self._poller.close()


class LoopPoller:
    """For systems without epoll: every descriptor is registered with the loop itself."""

    def __init__(self, loop: AbstractEventLoop, on_events: Callable[[], None]) -> None:
        self._loop = loop
        self._on_events = on_events
        self._watched: set[int] = set()
        self._events: dict[int, int] = {}

    def register(self, fd: int, eventmask: int, /) -> None:
        self._watched.add(fd)
        self.modify(fd, eventmask)

    def register_listener(self, fd: int, /) -> None:
        self.register(fd, READABLE)

    def modify(self, fd: int, eventmask: int, /) -> None:
        if eventmask & READABLE:
            self._loop.add_reader(fd, self._note, fd, READABLE)
        else:
            self._loop.remove_reader(fd)
        if eventmask & WRITABLE:
            self._loop.add_writer(fd, self._note, fd, WRITABLE)
        else:
            self._loop.remove_writer(fd)

    def unregister(self, fd: int, /) -> None:
        self._watched.remove(fd)
        self._events.pop(fd, None)
        self._loop.remove_reader(fd)
        self._loop.remove_writer(fd)

    def _note(self, fd: int, event: int) -> None:
        self._events[fd] = self._events.get(fd, 0) | event
        self._on_events()

    def wait(self, timeout: float) -> list[tuple[int, int]]:
        """Return what has been noted since the last call, without waiting."""
        events, self._events = self._events, {}
        return list(events.items())

    def close(self) -> None:
        for fd in list(self._watched):
            self.unregister(fd)


def nest(
    poller: Poller,
    loop: AbstractEventLoop,
    on_events: Callable[[], None],
    schedule: Callable[[], None],
) -> Poller:
    """Return a poller that tells the loop when it has events, in place of the given one.

    :param on_events: called by the loop when there are events.
    :param schedule: makes the loop call ``on_events`` in its next round.
    """
    fileno: Callable[[], int] | None = getattr(poller, "fileno", None)
    if fileno is None:
        poller.close()
        return LoopPoller(loop, schedule)
    return NestedPoller(poller, fileno(), loop, on_events)
