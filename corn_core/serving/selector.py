"""The selector driver: many connections over one poller, in one thread.

A step gives one turn to each connection that can use one: first to those that have their next
request in the buffer, then to those that can be read or written. New connections are accepted
between slices of them. If they were accepted after all the others, a batch of them would wait for
a whole round of those that are in, and the next batch for a round that is longer still.

Long bodies are read in parts, in a queue of their own. A thousand uploads always have something to
read, and a short request that came after a part of each would wait for as many reads and writes of
64 KiB. So a step reads a few parts, and then looks whether anything else has arrived.

Other ways of scheduling derive from it. They override :meth:`SelectorDriver.dispatch`, to answer
requests elsewhere, and if need be :meth:`~SelectorDriver.wait`, :meth:`~SelectorDriver.on_tick`,
:meth:`~SelectorDriver.on_wakeup`, :meth:`~SelectorDriver.accept_from` and
:meth:`~SelectorDriver.drained`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING

from corn_core.process.scoreboard import DRAINING
from corn_core.serving.connection import Connection
from corn_core.serving.driver import (
    DRAIN_GRACE,
    FOREVER,
    BaseDriver,
    accepting,
    close_listeners,
    exhausted,
)
from corn_core.serving.poller import READABLE, Poller, make_poller
from corn_core.serving.proxy import ProxyHeaderReader

if TYPE_CHECKING:
    from corn_core.net import Listener
    from corn_core.serving.driver import Closable, Host, Managed, Stream, Waiting
    from corn_core.serving.settings import ClientLimits

SLICE = 8
"""Connections that have their turn before new ones are accepted. It is half of ``accept_batch``:
when many clients come at once, all of them have their first answer before those that came first
have had half as many again."""

UPLOAD_TIME = 0.001
"""Seconds after which a step reads no further parts of long bodies, unless all others together took
longer: a file that has to be made or written may hold up the loop, and one of them is enough."""


class SelectorDriver(BaseDriver):
    """Runs the connections of a worker until the worker is told to stop.

    A subclass that answers requests elsewhere than in :meth:`dispatch` may let any exception that
    is not an ``Exception`` pass through :meth:`step`: the driver's state is complete whenever a
    connection acts, and what the poller reported and the step did not reach, it reports again.

    :param worker: supplies the request cycle, the listeners and the heartbeat.
    :param limits: what clients are granted.
    :ivar accepting: whether new connections are accepted at present.
    :ivar acceptors: for each listener, by its descriptor, what accepts on it: called with the most
        connections to accept, it returns whether there may be more of them.
    :ivar away: connections that are checked out, see :meth:`hold`.
    :ivar connections: those that the poller waits for, by their descriptors.
    :ivar draining: whether the worker has begun to end.
    :ivar next_tick: when :meth:`on_tick` is due.
    :ivar poller: waits for everything; may be replaced before :meth:`open`.
    :ivar ready: connections that have their next request in the buffer, and wait for their turn.
    :ivar crowded: whether nothing is accepted because there are as many connections as there may
        be. The step that finds one gone accepts again.
    :ivar uploads: connections that have more of a long body to read, and wait for their turn.
    """

    accept_batch = 16
    """New connections taken at a time. One whose request is here already is answered at once."""

    connection_class: type[Connection] = Connection

    def __init__(self, worker: Host, limits: ClientLimits) -> None:
        super().__init__(worker, limits)
        self.accepting = False
        self.acceptors: dict[int, Callable[[int], bool]] = {}
        self.away: set[Stream] = set()
        self.connections: dict[int, Managed] = {}
        self.next_tick = 0.0
        self.poller: Poller = make_poller()
        self.ready: deque[Waiting] = deque()
        self.uploads: deque[Waiting] = deque()
        # How many of these have come in this step; their events are not turns of others.
        self._queued = 0
        # Descriptors that are neither connections nor listeners.
        self._others: dict[int, Callable[[], None]] = {}
        self._resume_at = FOREVER
        self.crowded = False

    # -- the loop --------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the worker stops, then drain; returns when no connection is left."""
        self.open()
        while self.worker.alive or not self.drained():
            self.step()
        self.poller.close()

    def open(self) -> None:
        """Register the wake-up descriptor and the listeners."""
        self.watch_fd(self.worker.wakeup.fd, self.on_wakeup)
        self.worker.on_orphaned = self.on_orphaned
        for listener in self.worker.listeners:
            self.acceptors[listener.fileno()] = self._acceptor(listener)
        self.resume_accepting()

    def watch_fd(self, fd: int, act: Callable[[], None]) -> None:
        """Call a function whenever a descriptor of the driver's own can be read."""
        self.poller.register(fd, READABLE)
        self._others[fd] = act

    def step(self) -> None:
        """Wait for something to do, and do it."""
        events = self.wait()
        now = monotonic()
        self.worker.slot.beat(now)
        acceptable: set[int] = set()
        if self.ready or len(events) > SLICE:
            acceptable.update(fd for fd, _ in events if fd in self.acceptors)
            # A connection that is last in a round asks again when the next has begun, and so is
            # last in the list of the one after that. Taken in this order, it would miss every
            # other round.
            events.reverse()
        if self.ready:
            self._take_turns(acceptable)
        for start in range(0, len(events), SLICE):
            for fd, mask in events[start : start + SLICE]:
                connection = self.connections.get(fd)
                if connection is not None:
                    # As in guard(), which would be one more call for each request.
                    try:
                        connection.on_event(mask)
                    except Exception:
                        self._give_up(connection)
                elif fd in self.acceptors:
                    acceptable.add(fd)
                elif fd in self._others:
                    self._others[fd]()
            if acceptable:
                self._accept_between(acceptable)
        if self.uploads:
            self._read_uploads(len(events), monotonic() - now)
        if self.crowded and self.held() < self.limits.max_connections:
            # At once: those who wait in the backlog take the places of those who have left.
            self.resume_accepting()
        if now >= self.next_tick:
            self.on_tick(now)

    def upload_turns(self, others: int) -> int:
        """Return how many parts of long bodies may be read in this step, at least one.

        As many as other connections have had turns: those wait at most twice as long as they would
        without uploads, or for a slice of these, and uploads go on whatever the others do.

        :param others: the turns of other connections in this step.
        """
        return max(SLICE, others)

    def _read_uploads(self, events: int, seconds: float) -> None:
        """Let connections read parts of long bodies, once each, as far as their share goes.

        :param events: what the poller has reported for this step.
        :param seconds: for how long others have had their turns in this step.
        """
        turns = self.upload_turns(len(self.ready) + events - self._queued)
        self._queued = 0
        end = monotonic() + max(UPLOAD_TIME, seconds)
        for _ in range(min(turns, len(self.uploads))):
            waiting = self.uploads.popleft()
            self.guard(waiting, waiting.go_on)
            if monotonic() >= end:
                break

    def _take_turns(self, acceptable: set[int]) -> None:
        """Let the connections go on that have their next request in the buffer, once each."""
        for turn in range(1, len(self.ready) + 1):
            waiting = self.ready.popleft()
            self.guard(waiting, waiting.go_on)
            if turn % SLICE == 0:
                self._accept_between(acceptable)

    def wait(self) -> list[tuple[int, int]]:
        """Return the events that the poller reports, at the latest when the next tick is due."""
        if self.ready or self.uploads:
            return self.poller.wait(0.0)
        return self.poller.wait(max(0.0, self.next_tick - monotonic()))

    def guard(self, connection: Closable, act: Callable[..., None], *arguments: object) -> None:
        """Let a connection act. If that fails, this connection ends, and no other."""
        try:
            act(*arguments)
        except Exception:
            self._give_up(connection)

    def _give_up(self, connection: Closable) -> None:
        # A defect of ours, or a system that fails: the other clients must not pay for it.
        self.log.exception("Error on the connection of ip=%s", connection.peer_host)
        connection.close()

    def on_tick(self, now: float) -> None:
        """Send a heartbeat and look at the deadlines; called about once every ``TICK`` seconds."""
        self.next_tick = now + self.TICK
        self.worker.notify()
        self.worker.slot.set_connections(self.held())
        if now >= self._resume_at:
            self.resume_accepting()
        for connection in [c for c in self.connections.values() if c.deadline <= now]:
            self.guard(connection, connection.expire)

    def on_wakeup(self) -> None:
        """Act on a signal, whose handler has run: the loop looks whether the worker is to stop."""
        self.worker.wakeup.clear()

    # -- accepting -------------------------------------------------------------------

    def _accept_between(self, acceptable: set[int]) -> None:
        """Accept from each of these listeners, and drop those that have no more."""
        for fd in list(acceptable):
            if not self.accepting or not self.accept_from(fd):
                acceptable.remove(fd)

    def accept_from(self, fd: int) -> bool:
        """Accept a batch of new connections. Returns whether there may be more of them."""
        return self.acceptors[fd](self.accept_batch)

    def _acceptor(self, listener: Listener) -> Callable[[int], bool]:
        """Make a function that accepts on a listener, with all that does not change looked up."""
        accept, make_channel = accepting(listener)
        begin = ProxyHeaderReader if self.limits.proxy is not None else self.connection_class
        connections, away, most = self.connections, self.away, self.limits.max_connections

        def accept_some(batch: int) -> bool:
            for _ in range(batch):
                # As in held(), which would be one more call for each connection.
                if len(connections) + len(away) >= most:
                    self.pause_accepting()
                    self.crowded = True
                    return False
                try:
                    fd, peer = accept()
                except BlockingIOError:
                    return False
                except OSError as error:
                    if exhausted(error, self.log):
                        self.pause_accepting(self.TICK)
                    return False
                connection = begin(self, listener, make_channel(fd), peer)
                # As in guard(), which would be one more call for each connection.
                try:
                    connection.start()
                except Exception:
                    self._give_up(connection)
            return True

        return accept_some

    def pause_accepting(self, for_seconds: float = FOREVER) -> None:
        """Accept nothing for some time, or until :meth:`resume_accepting` is called."""
        if self.accepting:
            self.accepting = False
            for fd in self.acceptors:
                self.poller.unregister(fd)
        self.crowded = False
        self._resume_at = monotonic() + for_seconds

    def resume_accepting(self) -> None:
        """Accept new connections again, unless the worker drains."""
        self._resume_at = FOREVER
        self.crowded = False
        if not self.accepting and not self.draining:
            for fd in self.acceptors:
                self.poller.register_listener(fd)
            self.accepting = True

    def on_orphaned(self) -> None:
        """Free the addresses at once, because the master is gone and another may want them.

        This may be a signal's handler, in the middle of a call of the application. While
        ``accepting`` is True, all listeners are registered; else the loop does it when it drains.
        """
        if self.accepting:
            self.pause_accepting()
            for listener in self.worker.listeners:
                listener.close()

    # -- draining --------------------------------------------------------------------

    def drained(self) -> bool:
        """Stop accepting, when called first; then tell whether every connection has ended."""
        if not self.draining:
            self.draining = True
            self.worker.slot.set_state(DRAINING)
            self.pause_accepting()
            close_listeners(self.worker, self._take_backlog)
            self.hurry_idle()
        return not self.held() and not self.ready and not self.uploads

    def _take_backlog(self, listener: Listener) -> None:
        self.acceptors[listener.fileno()](self.limits.max_connections)

    def hurry_idle(self) -> None:
        """Give connections that have sent nothing yet a last moment to do so."""
        deadline = monotonic() + DRAIN_GRACE
        for connection in self.connections.values():
            if connection.idle:
                connection.deadline = min(connection.deadline, deadline)

    # -- for connections -------------------------------------------------------------

    def postpone(self, connection: Waiting) -> None:
        """Let a connection with a pipelined request go on when others have had their turn."""
        self.ready.append(connection)

    def queue_upload(self, connection: Waiting) -> None:
        """Let a connection read more of a long body when it has its turn among the uploads."""
        self.uploads.append(connection)
        self._queued += 1

    def set_interest(self, connection: Managed, mask: int) -> None:
        """Wait for these events, in place of those before, and report them to the connection."""
        if connection.interest:
            self.poller.modify(connection.fd, mask)
        else:
            self.poller.register(connection.fd, mask)
            self.connections[connection.fd] = connection

    def forget(self, connection: Managed) -> None:
        """Wait for it no more; before the descriptor is closed, because poll(2) needs that."""
        self.poller.unregister(connection.fd)
        del self.connections[connection.fd]

    # -- for requests that are answered elsewhere ------------------------------------

    def hold(self, connection: Stream) -> None:
        """Check a connection out, for a request that is answered elsewhere, or later.

        The driver leaves it alone from now on, and counts it as held. Another thread may use it as
        the sink of the response, and nothing more. When that is done, call :meth:`release` and
        then the connection's ``finish``, both in the loop.
        """
        connection.set_aside()
        self.away.add(connection)

    def release(self, connection: Stream) -> None:
        """Check a connection back in; it has to be finished or closed next."""
        self.away.discard(connection)

    def held(self) -> int:
        """Return how many connections there are, checked out or not."""
        return len(self.connections) + len(self.away)
