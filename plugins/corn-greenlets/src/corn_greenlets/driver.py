"""Drives connections with a greenlet for each client.

What to do with the bytes is decided by the same connections as under the selector driver. There
one loop waits for all of them; here each has a greenlet that waits for it, runs the application
for it, and may be switched away from wherever either would block.

It knows no library of greenlets: a worker passes a :class:`~corn_greenlets.hub.Scheduler`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from time import monotonic
from typing import TYPE_CHECKING

from corn_core.worker import (
    DRAIN_GRACE,
    READABLE,
    Balance,
    BaseDriver,
    Connection,
    ProxyHeaderReader,
    WorkerQuit,
    accepting,
    close_listeners,
    exhausted,
)
from corn_greenlets.client import Client
from corn_greenlets.connection import GreenletConnection

if TYPE_CHECKING:
    from corn_core.worker import ClientLimits, Host, Listener
    from corn_greenlets.hub import Gate, Scheduler

SLICE = 16
"""Turns of clients after which new connections are accepted between them; where there are more than
twice as many clients, it is after half of a round."""

# How long, at a quick stop, the requests in flight may take for their clean-up.
LAST_WORDS = 1.0


class GreenletDriver(BaseDriver):
    """Runs the connections of a worker until the worker is told to stop.

    :param worker: supplies the request cycle, the listeners and the heartbeat.
    :param limits: what clients are granted.
    :param scheduler: greenlets, and their way to wait for descriptors.
    """

    connection_class: type[Connection] = GreenletConnection

    def __init__(self, worker: Host, limits: ClientLimits, scheduler: Scheduler) -> None:
        super().__init__(worker, limits)
        self.scheduler = scheduler
        self.begin: type[Connection] | type[ProxyHeaderReader] = self.connection_class
        if limits.proxy is not None:
            self.begin = ProxyHeaderReader
        self._clients: set[Client] = set()
        self._gates: dict[Listener, Gate] = {}
        self._main = scheduler.gate(worker.wakeup.fd)
        self._orders: deque[Callable[[], None]] = deque()
        self._full = False
        self._balance = Balance(worker.slot)
        self._acceptors: dict[Listener, Callable[[], None]] = {}
        self.turns = SLICE
        self._context = copy_context()
        self._next_tick = 0.0

    # -- the main greenlet -----------------------------------------------------------

    def run(self) -> None:
        """Serve until the worker stops, then drain; returns when no connection is left."""
        clock = self.scheduler.spawn(self._wake_regularly)
        for listener in self.worker.listeners:
            self._gates[listener] = self.scheduler.gate(listener.fileno())
            self._acceptors[listener] = self._acceptor(listener)
            self.scheduler.spawn(self._accept_from, listener)
        try:
            while self.worker.alive or self._orders:
                self._step()
            self._drain()
            while self._clients or self._orders:
                self._step()
        except WorkerQuit as leaving:
            if leaving.code == 0:
                # Not after a timeout: who knows what those greenlets would do with their last
                # words, now that something has held all of them up.
                self.scheduler.kill([client.greenlet for client in self._clients], LAST_WORDS)
            raise
        self.scheduler.kill([clock], LAST_WORDS)
        self._main.release()

    def _step(self) -> None:
        self._main.wait(READABLE)
        self.worker.wakeup.clear()
        while self._orders:
            self._orders.popleft()()
        now = monotonic()
        if now >= self._next_tick:
            self._tick(now)

    def run_soon(self, act: Callable[[], None]) -> None:
        """Do what a signal asks for in the main greenlet; for handlers that find themselves in
        the hub, where nothing may wait."""
        self._orders.append(act)
        self._main.wake()

    def _wake_regularly(self) -> None:
        # It only wakes, so that an error of the heartbeat comes out of the main greenlet and
        # ends the worker, and so that a blocked hub stops the heartbeat.
        while True:
            self._main.wake()
            self.scheduler.sleep(self.TICK)

    def _tick(self, now: float) -> None:
        # A little less than a whole tick, for timers may fire early.
        self._next_tick = now + self.TICK / 2
        self.worker.notify()
        self.worker.slot.set_connections(len(self._clients))
        self._balance.meet()
        # A list, because one that does not react is forgotten.
        for client in [client for client in self._clients if client.deadline <= now]:
            client.expire()

    # -- accepting -------------------------------------------------------------------

    def _accept_from(self, listener: Listener) -> None:
        """Accept on one listener, in a greenlet of its own.

        It has one turn each time the hub goes round, in which every client can have one too. So it
        takes all connections that wait, unless another worker should: with fewer each time, most
        of them would wait for many rounds.
        """
        gate = self._gates[listener]
        accept = self._acceptors[listener]
        while not self.draining:
            if len(self._clients) >= self.limits.max_connections:
                self._full = True
                gate.wait(0)
            elif gate.wait(READABLE):
                try:
                    self._accept_all(accept)
                except OSError as error:
                    if exhausted(error, self.log):
                        self.scheduler.sleep(self.TICK)
                else:
                    self.scheduler.sleep(self._balance.moment())

    def _accept_all(self, accept: Callable[[], None]) -> None:
        """Accept until it is another worker's turn.

        :raises OSError: when it can accept no more; BlockingIOError, if no connection waits.
        """
        while not self.draining and len(self._clients) < self.limits.max_connections:
            if not self._balance.has_turn(len(self._clients), monotonic()):
                return
            accept()

    def accept_meanwhile(self) -> None:
        """Accept new connections in the middle of a round; called when ``turns`` is below 0.

        Else those that come while a round goes on would be noticed in the next, and be served in
        the one after that.
        """
        self.turns = max(SLICE, len(self._clients) // 2)
        for accept in self._acceptors.values():
            try:
                # A new greenlet may inherit the context variables of the one that makes it.
                self._context.run(self._accept_all, accept)
            except OSError:
                continue  # what has to be done about it, the listener's own greenlet does

    def _acceptor(self, listener: Listener) -> Callable[[], None]:
        """Return what accepts one connection, with everything that does not change looked up."""
        accept, make_channel = accepting(listener)

        def accept_one() -> None:
            fd, peer = accept()
            channel = make_channel(fd)
            client = Client(self, channel.fileno())
            self._clients.add(client)
            client.begin(listener, channel, peer)

        return accept_one

    def leave(self, client: Client) -> None:
        """Forget a client, whose greenlet ends."""
        self._clients.discard(client)
        self.worker.slot.set_connections(len(self._clients))
        if self._full:
            self._full = False
            for gate in self._gates.values():
                gate.wake()
        if self.draining and not self._clients:
            self._main.wake()

    # -- draining --------------------------------------------------------------------

    def _drain(self) -> None:
        """Stop accepting, and let go of clients that want nothing."""
        self.draining = True
        for gate in self._gates.values():
            gate.wake()
            gate.release()
        close_listeners(self.worker, self._take_backlog)
        deadline = monotonic() + DRAIN_GRACE
        for client in self._clients:
            client.hurry(deadline)

    def _take_backlog(self, listener: Listener) -> None:
        accept = self._acceptors[listener]
        for _ in range(self.limits.max_connections):
            try:
                accept()
            except OSError:
                # As a rule, nothing is left; and whatever else it is, nothing will accept later.
                return
