"""The parts that every driver is made of, and what drivers, connections and workers ask of each
other.

A driver waits for sockets, and calls the connection that can go on. A connection decides what to do
with the bytes, and tells its driver what to wait for next and when a request is complete.
:class:`~corn_core.serving.selector.SelectorDriver` waits with a poller of its own; another one may
wait in any event loop, as long as it does for its connections what :class:`Driver` says.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from corn_core.http import Request
from corn_core.interfaces import Logger, WorkerView
from corn_core.net import Listener
from corn_core.net.channel import PlainChannel
from corn_core.serving.settings import ClientLimits
from corn_core.wsgi import ConnectionInfo, RequestBody, RequestCycle

if TYPE_CHECKING:
    from ssl import SSLContext

    from corn_core.net.tlschannel import Encryption

FOREVER = float("inf")
"""The deadline that never comes."""

TICK = 1.0
"""Seconds between heartbeats of an idle worker, and between looks at deadlines."""

DRAIN_GRACE = 1.0
"""Seconds that a connection which has sent nothing yet is given when the worker drains: it may have
a request on its way. A browser's spare connection must not hold up a stop for longer."""

# accept(2) fails with these when something has run out. The listener stays readable, so
# going on at once would spin; a pause gives other connections time to be closed.
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Phase(Enum):
    """Names what a connection waits for."""

    HANDSHAKE = auto()
    """the rest of a TLS handshake"""
    IDLE = auto()
    """the first byte of a request"""
    HEAD = auto()
    """the rest of a request's head"""
    BODY = auto()
    """the rest of a request's body"""
    QUEUED = auto()
    """its turn to be read: more of a long body has arrived"""
    READY = auto()
    """its turn: the next request is in its buffer"""
    AWAY = auto()
    """its driver, which has its request answered elsewhere"""
    FLUSH = auto()
    """the client to take its response"""
    LINGER = auto()
    """the client to close its side, after a last response"""
    CLOSED = auto()
    """nothing: it is closed, or another protocol has taken its place"""


class Wakeup(Protocol):
    """A descriptor that is readable after a signal."""

    fd: int

    def clear(self) -> None: ...


class Host(WorkerView, Protocol):
    """A worker, as its driver sees it; ``corn_core.worker.Worker`` is one."""

    cycle: RequestCycle
    listeners: Sequence[Listener]
    ssl_context: SSLContext | None
    on_orphaned: Callable[[], None]

    @property
    def wakeup(self) -> Wakeup: ...
    def notify(self) -> None: ...
    def request_done(self) -> None: ...


class Managed(Protocol):
    """Stands for one client under a driver, which waits for its socket: mostly a ``Connection``.

    Before a connection it may be what reads a PROXY header, and after it what speaks the protocol
    that the connection has switched to.

    :ivar fd: the descriptor to poll.
    :ivar interest: the events that the driver was last told to wait for; 0 while it does not wait.
        Only the object itself changes it, when it calls ``set_interest`` or ``forget``.
    :ivar deadline: when to call :meth:`expire`, on the clock ``time.monotonic``.
    """

    deadline: float
    fd: int
    interest: int

    @property
    def peer_host(self) -> str:
        """The client's address, for logs."""

    @property
    def idle(self) -> bool:
        """True if the client has yet to send the first byte of a request.

        A worker that drains closes the connection then, after a short grace.
        """

    def start(self) -> None:
        """Begin: read what has arrived, and tell the driver what to wait for.

        Reading comes first because bytes may be in the channel already, where no poller sees them.
        """

    def on_event(self, mask: int) -> None:
        """Go on: the descriptor is ready for these events."""

    def expire(self) -> None:
        """Act on the end of :attr:`deadline`."""

    def close(self) -> None:
        """Let go of everything, whatever the client still wants."""


class Stream(ConnectionInfo):
    """The place of one request on a connection: where its response goes, and who hears of its end.

    A ``Connection`` is one itself, because HTTP/1.1 answers one request at a time. A protocol that
    answers several at a time makes one for each, and hands it to the driver's ``dispatch``.
    """

    __slots__ = ()

    def send(self, data: bytes | memoryview) -> None:
        """Send a part of the response, or keep it; perhaps called in another thread.

        :raises ClientDisconnected: when the client is gone.
        """
        raise NotImplementedError

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file in the same way; the descriptor is the application's own."""
        raise NotImplementedError

    def abort(self) -> None:
        """Let the client see that the response was cut short, when what was sent has arrived."""
        raise NotImplementedError

    def set_aside(self) -> None:
        """Leave the driver, which answers the request elsewhere or later; ``finish`` comes back."""

    def finish(self, keep: bool) -> None:
        """Go on after the response; called in the loop.

        :param keep: whether another request may follow on the connection.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of everything, because the request has failed; called in the loop."""
        raise NotImplementedError


class Closable(Protocol):
    """Ends when something that is done for it fails."""

    @property
    def peer_host(self) -> str:
        """The client's address, for logs."""

    def close(self) -> None:
        """Let go of everything, whatever the client still wants."""


class Waiting(Closable, Protocol):
    """Has asked its driver for another turn: mostly a ``Connection`` with a request buffered, or
    with a part of a long body to read."""

    def go_on(self) -> None:
        """Take the turn, unless it has been closed meanwhile."""


class Driver(Protocol):
    """A driver, as its connections see it.

    :ivar encryption: how connections are encrypted; None for plain HTTP.
    :ivar protocols: what goes on with a connection whose client has chosen a protocol by its ALPN
        name in the TLS handshake; without an entry it is HTTP/1.1. See ``Connection.switch``.
    """

    connection_class: type[Any]
    cycle: RequestCycle
    encryption: Encryption | None
    limits: ClientLimits
    log: Logger
    protocols: Mapping[str, Successor]

    def dispatch(self, connection: Stream, request: Request, body: RequestBody) -> None:
        """Answer a request, now or later, and then call ``finish``.

        :param connection: the place of the request; a ``Connection``, or another ``Stream``. It is
            not to be touched by anything else until then.

        Call it last. A driver with threads leaves with an exception when its loop has passed to
        another thread meanwhile, so that what comes after the call may never run.
        """

    def postpone(self, connection: Waiting) -> None:
        """Call the connection's ``go_on``, once, when others have had their turn."""

    def queue_upload(self, connection: Waiting) -> None:
        """Call the connection's ``go_on``, once, when a part of a long body may be read.

        Reading one takes longer than answering a short request, and more of it is there at once. A
        driver that gives turns lets short requests come between the parts that it has read.
        """

    def set_interest(self, connection: Managed, mask: int) -> None:
        """Wait for these events, in place of those before, and report them to the connection."""

    def forget(self, connection: Managed) -> None:
        """Wait for it no more; its descriptor is about to be closed or given away."""

    def notify(self) -> None:
        """Tell the master that the worker is alive, when a connection has to hold it."""


Successor = Callable[[Any, bytes], Managed]
"""Makes what goes on with the client of a connection, in another protocol.

It is called with the connection, whose ``channel``, ``driver``, ``peer`` and so on it takes over,
and with the bytes that have been received and not used.
"""


def deadline_after(timeout: float) -> float:
    """Return the moment at which a timeout that begins now ends; one of 0 never does."""
    return monotonic() + timeout if timeout else FOREVER


class BaseDriver:
    """Holds what drivers have in common, however they wait.

    :param worker: supplies the request cycle, the listeners and the heartbeat.
    :param limits: what clients are granted.
    """

    TICK = TICK

    connection_class: type[Any]
    encryption: Encryption | None = None
    protocols: Mapping[str, Successor] = {}

    def __init__(self, worker: Host, limits: ClientLimits) -> None:
        self.worker = worker
        self.cycle = worker.cycle
        self.log = worker.log
        self.limits = limits
        self.draining = False
        if worker.ssl_context is not None:
            self.encryption = _encryption(worker, worker.ssl_context)

    def dispatch(self, connection: Any, request: Request, body: RequestBody) -> None:
        """Answer a request here, in this thread, now."""
        keep = self.limits.keepalive > 0 and self.worker.alive
        keep = self.cycle.run(request, body, connection, connection, keep)
        self.worker.request_done()
        connection.finish(keep)

    def notify(self) -> None:
        """Tell the master that the worker is alive."""
        self.worker.notify()


def _encryption(worker: Host, context: SSLContext) -> Encryption:
    from corn_core.net.tlschannel import Encryption  # lazy: it imports ssl

    return Encryption(context, worker.cfg.suppress_ragged_eofs)


# -- listeners ---------------------------------------------------------------------------


def accepting(
    listener: Listener,
) -> tuple[Callable[[], tuple[int, Any]], Callable[[int], PlainChannel]]:
    """Return what accepts a connection, and what makes a channel of its descriptor.

    The first returns a descriptor and the peer's address, and raises what accept(2) says.
    """
    sock = listener.socket
    # socket.accept() is a Python wrapper of this method, and builds a Python-level socket around
    # what it returns: together a tenth of what a hello-world request costs. Monkey patching may
    # have replaced the class, but not this one of its instances, which the master has made.
    accept = sock._accept  # type: ignore[attr-defined]  # of the C base class
    make = partial(PlainChannel, sock.family, sock.type, sock.proto)

    def make_channel(fd: int) -> PlainChannel:
        return make(fd if fd > 2 else _moved(fd))

    return accept, make_channel


def _moved(fd: int) -> int:
    """Return another descriptor of a connection that has the number of a standard stream.

    The application has closed that, and what it or the log still writes there would go to the
    client. From now on it goes nowhere.
    """
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    # The lowest number is taken first, so that this fills all three.
    while (null := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(null)
    return moved


def exhausted(error: OSError, log: Logger) -> bool:
    """Tell whether accepting has to pause after this error, and say so in the log.

    Anything but a lack of descriptors or memory is the fate of one connection, such as
    ECONNABORTED: the client left while it was in the backlog.
    """
    if error.errno not in _EXHAUSTED:
        return False
    log.warning("Cannot accept connections: %s; pausing", error.strerror)
    return True


def close_listeners(worker: Host, take_backlog: Callable[[Listener], None]) -> None:
    """Close the listeners of a worker that drains.

    :param take_backlog: called first with each listener on which no other worker accepts: a
        connection that stays in its backlog would be reset, though its client has been told that
        it is established.
    """
    stopping = worker.slot.server_stopping()
    # Those of a worker whose master is gone may be closed already.
    listeners = [listener for listener in worker.listeners if not listener.closed]
    for listener in listeners:
        if stopping or listener.per_worker:
            take_backlog(listener)
    for listener in listeners:
        if stopping:
            # Also where another worker, which may be busy, still has it open.
            listener.refuse()
        listener.close()
