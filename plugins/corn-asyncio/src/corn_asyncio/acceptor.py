"""Accepts connections for a server that runs on the transports of an event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any

from corn_core.worker import Balance, SelectorDriver, accepting, exhausted

if TYPE_CHECKING:
    from corn_core.worker import Listener, Worker


LOOK = 0.01
"""Seconds between looks for room when there was none. A server of another library, such as
aiohttp's, does not say that a client has left."""


class TransportAcceptor:
    """Accepts on one listener, as long as the worker may hold more connections.

    The loop's own way of accepting has no limit, and closes the listener without accepting the
    connections in its backlog. A subclass supplies :meth:`greet`.

    :param served: counts the connections that the server knows about.
    :ivar stopped: whether it accepts no more, because the worker stops.
    """

    def __init__(
        self,
        worker: Worker,
        listener: Listener,
        loop: asyncio.AbstractEventLoop,
        served: Callable[[], int],
    ) -> None:
        self.worker = worker
        self.listener = listener
        self.loop = loop
        self._served = served
        self._accepting = False
        self._looking = False
        self.stopped = False
        self._balance = Balance(worker.slot)
        self._take, self._make_channel = accepting(listener)
        # asyncio holds only weak references to tasks.
        self._greeting: set[asyncio.Task[None]] = set()

    async def greet(self, connection: socket.socket, peer: Any) -> None:
        """Give a new connection to the server.

        It counts as greeted until this returns, or until what :meth:`introduction` has returned
        is called.
        """
        raise NotImplementedError

    def begin(self, greeting: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Return a task that greets a connection; called within a task after :meth:`stop`."""
        return self.loop.create_task(greeting)

    def introduction(self) -> Callable[[], None]:
        """Return what :meth:`greet` may call once the server knows of the connection.

        A connection that is counted twice makes the worker leave too many to the others.
        """
        return partial(self._greeting.discard, asyncio.current_task())

    @property
    def greeted(self) -> int:
        """Count the connections that the server may not know about yet."""
        return len(self._greeting)

    def resume(self) -> None:
        """Accept, if there is room for more connections."""
        self._balance.meet()
        self._go_on()

    def _go_on(self) -> None:
        if not self._accepting and not self.stopped and self._has_room():
            self._accepting = True
            self.loop.add_reader(self.listener.fileno(), self._on_acceptable)

    def _wait_for_room(self) -> None:
        self._pause()
        if not self._looking:
            self._looking = True
            self.loop.call_later(LOOK, self._look_for_room)

    def _look_for_room(self) -> None:
        self._looking = False
        self._go_on()
        if not self._accepting and not self.stopped:
            self._wait_for_room()

    def stop(self) -> None:
        """Stop accepting, for good."""
        self.stopped = True
        self._pause()

    def take_backlog(self) -> None:
        """Accept what is in the backlog, after :meth:`stop`."""
        self._accept(self.worker.cfg.worker_connections)

    def abandon(self) -> None:
        """Give up the connections that are still greeted."""
        for task in self._greeting:
            task.cancel()

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self.loop.remove_reader(self.listener.fileno())

    def _has_room(self) -> bool:
        return self._held() < int(self.worker.cfg.worker_connections)

    def _held(self) -> int:
        return self._served() + len(self._greeting)

    def _on_acceptable(self) -> None:
        # As many as the loop may have served others since the last time: all have one round.
        self._accept(SelectorDriver.accept_batch + 2 * self._held())

    def _accept(self, batch: int) -> None:
        for _ in range(batch):
            if not self._has_room():
                self._wait_for_room()
                return
            if not self.stopped and not self._balance.has_turn(self._held(), monotonic()):
                self._pause()
                self.loop.call_later(self._balance.moment(), self._go_on)
                return
            try:
                connection, peer = self._next()
            except BlockingIOError:
                return
            except OSError as error:
                if exhausted(error, self.worker.log):
                    self._pause()
                return
            task = self.begin(self.greet(connection, peer))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    def _next(self) -> tuple[socket.socket, Any]:
        """Accept a connection; its descriptor is not that of a standard stream."""
        fd, peer = self._take()
        ours = self.listener.socket
        # The channel sees to the descriptor. The loop wants a socket of Python's own class.
        fd = self._make_channel(fd).detach()
        connection = socket.socket(ours.family, ours.type, ours.proto, fd)
        connection.setblocking(False)
        return connection, peer
