"""eventlet's hub as the greenlet driver uses it. Imports eventlet, so workers import it late."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import eventlet
from eventlet.greenthread import GreenThread
from eventlet.hubs import get_hub
from greenlet import GreenletExit, getcurrent

from corn_core.worker import READABLE, WRITABLE

_NOT_WAITING = -1


class EventletGate:
    """Lets a green thread wait for a descriptor, see ``corn_greenlets.hub.Gate``.

    The listener for reading stays with the hub between two waits: adding and removing it would
    be two system calls a request. So it may be called while the green thread is busy with
    something else; then it is removed until the next wait, or it would be called again and again.
    """

    __slots__ = ("_fd", "_hub", "_reader", "_switch", "_throw", "_waiting")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._hub = get_hub()
        self._reader: Any = None
        self._waiting = _NOT_WAITING
        self._switch: Callable[..., object] = self._hub.switch
        self._throw: Callable[..., object] = self._hub.switch

    def wait(self, mask: int) -> int:
        current = getcurrent()
        self._switch = current.switch
        self._throw = current.throw
        if mask == WRITABLE:
            return self._wait_writable()
        if mask and self._reader is None:
            self._reader = self._listen(self._hub.READ, self._on_readable)
        return self._sleep(mask)

    def _listen(self, event: str, callback: Callable[[int], None]) -> Any:
        return self._hub.add(event, self._fd, callback, self._on_closed, _nothing)

    def _wait_writable(self) -> int:
        writer = self._listen(self._hub.WRITE, self._on_writable)
        try:
            return self._sleep(WRITABLE)
        finally:
            self._hub.remove(writer)

    def _sleep(self, mask: int) -> int:
        self._waiting = mask
        try:
            events: int = self._hub.switch()
        except BaseException:
            # The exception was thrown into the green thread, as kill() does.
            self._waiting = _NOT_WAITING
            raise
        return events

    def _on_readable(self, fd: int) -> None:
        if self._waiting == READABLE:
            self._waiting = _NOT_WAITING
            self._switch(READABLE)
        else:
            self.release()

    def _on_writable(self, fd: int) -> None:
        if self._waiting == WRITABLE:
            self._waiting = _NOT_WAITING
            self._switch(WRITABLE)

    def _on_closed(self, error: BaseException) -> None:
        """End the wait, because the descriptor was closed, perhaps by the application."""
        self._reader = None
        if self._waiting != _NOT_WAITING:
            self._waiting = _NOT_WAITING
            self._throw(error)

    def spawn(self, function: Callable[..., None], *arguments: object) -> Any:
        thread = GreenThread(self._hub.greenlet)
        self._switch = lambda mask: thread.switch(function, (mask, *arguments), {})
        # Nothing can be thrown into what has not begun. It finds out when it reads.
        self._throw = lambda error: self._switch(READABLE)
        self._reader = self._listen(self._hub.READ, self._on_readable)
        self._waiting = READABLE
        return thread

    def wake(self) -> None:
        if self._waiting != _NOT_WAITING:
            self._waiting = _NOT_WAITING
            self._hub.schedule_call_global(0, self._switch, 0)

    def release(self) -> None:
        if self._reader is not None:
            self._hub.remove(self._reader)
            self._reader = None


class EventletScheduler:
    """See ``corn_greenlets.hub.Scheduler``."""

    def gate(self, fd: int) -> EventletGate:
        return EventletGate(fd)

    def spawn(self, function: Callable[..., None], *arguments: object) -> Any:
        return eventlet.spawn(function, *arguments)

    def sleep(self, seconds: float) -> None:
        eventlet.sleep(seconds)

    def kill(self, greenlets: Iterable[Any], patience: float) -> None:
        killed = list(greenlets)
        with eventlet.Timeout(patience, False):
            for greenlet in killed:
                eventlet.kill(greenlet)
            for greenlet in killed:
                try:
                    greenlet.wait()
                except (Exception, GreenletExit):
                    # It was told to end and did, so its exception does not matter.
                    continue


def in_hub() -> bool:
    """Tell whether the running code was called by the hub itself, and so must not wait."""
    return getcurrent() is get_hub().greenlet


def _nothing() -> None:
    """Do nothing: only the connection has an object for its descriptor."""
