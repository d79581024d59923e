"""The selector driver: many connections over one poller, in one thread.

A step gives one turn to each connection that can use one: first to those that have their next
request in the buffer, then to those that can be read or written. New connections are accepted
between slices of them. If they were accepted after all the others, a batch of them would wait for
a whole round of those that are in, and the next batch for a round that is longer still.
"""

from __future__ import annotations

import errno
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING

from corn_core.process.scoreboard import DRAINING
from corn_core.serving.connection import FOREVER, Connection
from corn_core.serving.poller import READABLE, make_poller
from corn_core.serving.proxy import ProxyHeaderReader
from corn_core.serving.settings import Encryption

if TYPE_CHECKING:
    from ssl import SSLContext

    from corn_core.http import Request
    from corn_core.net import Listener
    from corn_core.serving.host import Host, Managed
    from corn_core.serving.settings import ClientLimits
    from corn_core.wsgi import RequestBody

# accept(2) fails with these when something has run out. The listener stays readable, so
# going on at once would spin; the pause gives other connections time to be closed.
EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

SLICE = 8
"""Connections that have their turn before new ones are accepted. It is half of ``accept_batch``:
when many clients come at once, all of them have their first answer before those that came first
have had half as many again."""

# When the worker drains, a connection that has sent nothing yet may have a request on its
# way. It is given this long; a browser's spare connection must not hold up a stop.
DRAIN_GRACE = 1.0


class SelectorDriver:
    """Runs the connections of a worker until the worker is told to stop.

    A subclass that answers requests elsewhere than in :meth:`dispatch` may let any exception
    that is no ``Exception`` pass through :meth:`step`: the driver's state is complete whenever
    a connection acts, and what the poller reported and nobody has seen to, it reports again.

    :param worker: supplies the request cycle, the listeners and the heartbeat.
    :param limits: what clients are granted.
    """

    TICK = 1.0
    """Seconds between heartbeats of an idle worker, and between looks at deadlines."""

    accept_batch = 16
    """New connections taken at a time. One whose request is here already is answered at once."""

    connection_class: type[Connection] = Connection
    encryption: Encryption | None = None

    def __init__(self, worker: Host, limits: ClientLimits) -> None:
        self.worker = worker
        self.cycle = worker.cycle
        self.limits = limits
        if worker.ssl_context is not None:
            self._encrypt(worker.ssl_context)
        self.connections: dict[int, Managed] = {}
        self._ready: deque[Connection] = deque()
        self._poller = make_poller()
        self._acceptors: dict[int, Callable[[int], bool]] = {}
        # Descriptors that are neither connections nor listeners.
        self._others: dict[int, Callable[[], None]] = {}
        self._accepting = False
        self._draining = False
        self._resume_at = FOREVER
        self._next_tick = 0.0

    def _encrypt(self, context: SSLContext) -> None:
        from corn_core.serving.tls import TLSConnection  # lazy: it imports ssl

        self.connection_class = TLSConnection
        ragged: bool = self.worker.cfg.suppress_ragged_eofs
        self.encryption = Encryption(context, self.worker.log, ragged)

    # -- the loop --------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the worker stops, then drain; returns when no connection is left."""
        self._open()
        while self.worker.alive or not self._drained():
            self.step()
        self._poller.close()

    def _open(self) -> None:
        """Begin to listen to everybody."""
        self._attend(self.worker.wakeup.fd, self.worker.wakeup.clear)
        for listener in self.worker.listeners:
            self._acceptors[listener.fileno()] = self._acceptor(listener)
        self._resume_accepting()

    def _attend(self, fd: int, act: Callable[[], None]) -> None:
        """Call a function whenever a descriptor of the worker's own is readable."""
        self._poller.register(fd, READABLE)
        self._others[fd] = act

    def step(self) -> None:
        """Wait for something to do, and do it."""
        events = self._wait()
        now = monotonic()
        self.worker.slot.beat(now)
        acceptable: set[int] = set()
        if self._ready or len(events) > SLICE:
            acceptable.update(fd for fd, _ in events if fd in self._acceptors)
            # Whoever is last in a round asks again when the next has begun, and so is last in the
            # list of the one after that. Taken in this order, it would miss every other round.
            events.reverse()
        if self._ready:
            self._take_turns(acceptable)
        for start in range(0, len(events), SLICE):
            for fd, mask in events[start : start + SLICE]:
                connection = self.connections.get(fd)
                if connection is not None:
                    # As in _guard(), which would be one more call for each request.
                    try:
                        connection.on_event(mask)
                    except Exception:
                        self._give_up(connection)
                elif fd in self._acceptors:
                    acceptable.add(fd)
                elif fd in self._others:
                    self._others[fd]()
            if acceptable:
                self._accept_between(acceptable)
        if now >= self._next_tick:
            self._tick(now)

    def _take_turns(self, acceptable: set[int]) -> None:
        """Let the connections go on that have their next request in the buffer, once each."""
        for turn in range(1, len(self._ready) + 1):
            waiting = self._ready.popleft()
            self._guard(waiting, waiting.go_on)
            if turn % SLICE == 0:
                self._accept_between(acceptable)

    def _wait(self) -> list[tuple[int, int]]:
        """What the poller reports, at the latest when the next tick is due."""
        if self._ready:
            return self._poller.wait(0.0)
        return self._poller.wait(max(0.0, self._next_tick - monotonic()))

    def _guard(self, connection: Managed, act: Callable[..., None], *arguments: object) -> None:
        """Let a connection act; if that fails, it is the end of this connection and no other."""
        try:
            act(*arguments)
        except Exception:
            self._give_up(connection)

    def _give_up(self, connection: Managed) -> None:
        # A defect of ours, or a system that fails: the other clients must not pay for it.
        self.worker.log.exception("Error on the connection of ip=%s", connection.peer_host)
        connection.close()

    def _tick(self, now: float) -> None:
        self._next_tick = now + self.TICK
        self.worker.notify()
        self.worker.slot.set_connections(self.held())
        if now >= self._resume_at:
            self._resume_accepting()
        for connection in [c for c in self.connections.values() if c.deadline <= now]:
            self._guard(connection, connection.expire)

    # -- accepting -------------------------------------------------------------------

    def _accept_between(self, acceptable: set[int]) -> None:
        """Accept from each of these listeners, and drop those that have no more."""
        for fd in list(acceptable):
            if not self._accepting or not self._accept_from(fd):
                acceptable.remove(fd)

    def _accept_from(self, fd: int) -> bool:
        """Take a batch of new connections; returns whether there may be more of them."""
        return self._acceptors[fd](self.accept_batch)

    def _acceptor(self, listener: Listener) -> Callable[[int], bool]:
        """What accepts on a listener, with everything that does not change looked up.

        It takes the most connections to accept, and returns whether there may be more of them.
        """
        sock = listener.socket
        # socket.accept() is a Python wrapper of this method, and builds a Python-level socket
        # around what it returns: together a tenth of what a hello-world request costs.
        accept = sock._accept  # type: ignore[attr-defined]  # of the C base class
        guard = self._guard
        begin = ProxyHeaderReader if self.limits.proxy is not None else self.connection_class
        make_socket = partial(socket.SocketType, sock.family, sock.type, sock.proto)

        def accept_some(batch: int) -> bool:
            for _ in range(batch):
                if self.held() >= self.limits.max_connections:
                    self._pause_accepting(self.TICK)
                    return False
                try:
                    fd, peer = accept()
                except BlockingIOError:
                    return False
                except OSError as error:
                    self._on_accept_error(error)
                    return False
                connection = begin(self, listener, make_socket(fd), peer)
                guard(connection, connection.start)
            return True

        return accept_some

    def _on_accept_error(self, error: OSError) -> None:
        if error.errno in EXHAUSTED:
            self.worker.log.warning("Cannot accept connections: %s; pausing", error.strerror)
            self._pause_accepting(self.TICK)
        # Anything else is the fate of one connection, such as ECONNABORTED: the client left
        # while it was in the backlog.

    def _pause_accepting(self, for_seconds: float) -> None:
        if self._accepting:
            self._accepting = False
            for fd in self._acceptors:
                self._poller.unregister(fd)
        self._resume_at = monotonic() + for_seconds

    def _resume_accepting(self) -> None:
        self._resume_at = FOREVER
        if not self._accepting and not self._draining:
            self._accepting = True
            for fd in self._acceptors:
                self._poller.register_listener(fd)

    # -- draining --------------------------------------------------------------------

    def _drained(self) -> bool:
        """Stop accepting, once; then say whether every connection has ended."""
        if not self._draining:
            stopping = self.worker.slot.server_stopping()
            for listener in self.worker.listeners:
                if stopping or listener.per_worker:
                    # Nobody will accept after us: a connection that stays in the backlog would
                    # be reset, though its client has been told that it is established.
                    self._acceptors[listener.fileno()](self.limits.max_connections)
            self._draining = True
            self.worker.slot.set_state(DRAINING)
            self._pause_accepting(FOREVER)
            for listener in self.worker.listeners:
                if stopping:
                    listener.refuse()
                listener.close()
            self._hurry_idle_connections(monotonic() + DRAIN_GRACE)
        return not self.held() and not self._ready

    def _hurry_idle_connections(self, deadline: float) -> None:
        for connection in self.connections.values():
            if connection.idle:
                connection.deadline = min(connection.deadline, deadline)

    # -- for connections -------------------------------------------------------------

    def dispatch(self, connection: Connection, request: Request, body: RequestBody) -> None:
        """Answer a request; here, in this thread, now."""
        keep = self.limits.keepalive > 0 and self.worker.alive
        keep = self.cycle.run(request, body, connection, connection, keep)
        self.worker.request_done()
        connection.finish(keep)

    def postpone(self, connection: Connection) -> None:
        """Let a connection with a pipelined request go on when others have had their turn."""
        self._ready.append(connection)

    def held(self) -> int:
        """How many connections there are."""
        return len(self.connections)

    def notify(self) -> None:
        """Tell the master that the worker is alive."""
        self.worker.notify()

    def watch(self, connection: Managed, mask: int) -> None:
        """Report the connection's events of this kind to it."""
        if connection.watched:
            self._poller.modify(connection.fd, mask)
        else:
            self._poller.register(connection.fd, mask)
            self.connections[connection.fd] = connection

    def forget(self, connection: Managed) -> None:
        """Stop reporting events; before the descriptor is closed, for poll(2) needs that."""
        self._poller.unregister(connection.fd)
        del self.connections[connection.fd]
