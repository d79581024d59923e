"""gevent's hub as the greenlet driver uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import gevent
from gevent.hub import get_hub

from corn_core.worker import READABLE, WRITABLE

# gevent's own numbers for the events of a watcher.
_READ, _WRITE = 1, 2

_NOT_WAITING = -1


class GeventGate:
    """Lets a greenlet wait for a descriptor, see ``corn_greenlets.hub.Gate``.

    The watcher for reading stays started between two waits: starting and stopping it would be
    two system calls a request. So it may fire while the greenlet is busy with something else;
    then it is stopped until the next wait, or it would fire again and again.
    """

    __slots__ = ("_armed", "_fd", "_hub", "_reader", "_switch", "_waiting")

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._hub = get_hub()
        self._reader: Any = None
        self._armed = False
        self._waiting = _NOT_WAITING
        self._switch: Callable[..., object] = self._hub.switch

    def wait(self, mask: int) -> int:
        self._switch = gevent.getcurrent().switch
        if mask == WRITABLE:
            return self._wait_writable()
        if mask and not self._armed:
            self._arm()
        return self._sleep(mask)

    def _arm(self, priority: int = 0) -> None:
        if self._reader is None:
            self._reader = self._hub.loop.io(self._fd, _READ, priority=priority)
        self._reader.start(self._on_readable)
        self._armed = True

    def _wait_writable(self) -> int:
        writer = self._hub.loop.io(self._fd, _WRITE)
        writer.start(self._on_writable)
        try:
            return self._sleep(WRITABLE)
        finally:
            writer.stop()
            writer.close()

    def _sleep(self, mask: int) -> int:
        self._waiting = mask
        try:
            events: int = self._hub.switch()
        except BaseException:
            # The exception was thrown into the greenlet, as kill() does.
            self._waiting = _NOT_WAITING
            raise
        return events

    def _on_readable(self) -> None:
        if self._waiting == READABLE:
            self._waiting = _NOT_WAITING
            self._switch(READABLE)
        else:
            self._reader.stop()
            self._armed = False

    def _on_writable(self) -> None:
        if self._waiting == WRITABLE:
            self._waiting = _NOT_WAITING
            self._switch(WRITABLE)

    def spawn(self, function: Callable[..., None], *arguments: object) -> Any:
        events = 0

        def run() -> None:
            function(events, *arguments)

        def begin(mask: int) -> None:
            nonlocal events
            events = mask
            # Its next requests come like those of all others.
            self.release()
            greenlet.switch()

        greenlet = gevent.Greenlet(run)
        self._switch = begin
        # Before the others: libev asks for a limited number of events, and begins with the last. A
        # client that came when there were too many would come last again, after one more round.
        self._arm(self._hub.loop.MAXPRI)
        self._waiting = READABLE
        return greenlet

    def wake(self) -> None:
        if self._waiting != _NOT_WAITING:
            self._waiting = _NOT_WAITING
            self._hub.loop.run_callback(self._switch, 0)

    def release(self) -> None:
        if self._reader is not None:
            self._reader.stop()
            self._reader.close()
            self._reader = None
            self._armed = False


class GeventScheduler:
    """See ``corn_greenlets.hub.Scheduler``."""

    def gate(self, fd: int) -> GeventGate:
        return GeventGate(fd)

    def spawn(self, function: Callable[..., None], *arguments: object) -> Any:
        return gevent.spawn(function, *arguments)

    def sleep(self, seconds: float) -> None:
        # Not gevent.sleep(), for which 0 means to come after the greenlets that are about to run.
        # They may have had many turns each before the hub looks which descriptors are ready; a
        # timer waits for that.
        hub = get_hub()
        with hub.loop.timer(seconds) as timer:
            hub.wait(timer)

    def kill(self, greenlets: Iterable[Any], patience: float) -> None:
        gevent.killall(list(greenlets), timeout=patience)
