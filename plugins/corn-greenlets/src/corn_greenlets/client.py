"""One client of the greenlet driver: its greenlet, and what its connection asks of a driver."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from corn_core.worker import (
    DRAIN_GRACE,
    FOREVER,
    WRITABLE,
    ClientDisconnected,
    Connection,
    deadline_after,
)

if TYPE_CHECKING:
    from corn_core.http import Request
    from corn_core.typing import Logger
    from corn_core.worker import (
        ClientLimits,
        Encryption,
        Listener,
        Managed,
        PlainChannel,
        ProxyHeaderReader,
        RequestBody,
        RequestCycle,
        Successor,
        Waiting,
    )
    from corn_greenlets.hub import Scheduler

# Bytes that a client may take at once before others have their turn. A greenlet that never has
# to wait for its client would otherwise hold the hub, and the heartbeat with it, for as long as
# the application goes on.
TURN = 1024 * 1024


class Clients(Protocol):
    """The greenlet driver, as its clients see it."""

    begin: type[Connection] | type[ProxyHeaderReader]
    connection_class: type[Connection]
    cycle: RequestCycle
    draining: bool
    encryption: Encryption | None
    limits: ClientLimits
    log: Logger
    protocols: Mapping[str, Successor]
    scheduler: Scheduler
    turns: int

    def accept_meanwhile(self) -> None:
        """Accept new connections in the middle of a round; called when ``turns`` is below 0."""

    def dispatch(self, connection: Any, request: Request, body: RequestBody) -> None:
        """Answer a request, here and now; others run whenever the application waits."""

    def leave(self, client: Client) -> None:
        """Forget a client, whose greenlet ends."""

    def notify(self) -> None:
        """Tell the master that the worker is alive."""


class Client:
    """One client's greenlet, and the driver as the client's connection sees it.

    :ivar deadline: when the present wait for the client ends; never, while there is none.
    """

    __slots__ = (
        *("connection_class", "cycle", "deadline", "dispatch", "encryption", "greenlet"),
        *("limits", "log", "notify", "protocols"),
        *("_credit", "_driver", "_expired", "_gate", "_postponed", "_waiting"),
    )

    def __init__(self, driver: Clients, fd: int) -> None:
        self.connection_class = driver.connection_class
        self.cycle = driver.cycle
        self.dispatch = driver.dispatch
        self.encryption = driver.encryption
        self.limits = driver.limits
        self.log = driver.log
        self.notify = driver.notify
        self.protocols = driver.protocols
        self.deadline = FOREVER
        self.greenlet: Any = None
        self._driver = driver
        self._gate = driver.scheduler.gate(fd)
        self._credit = TURN
        self._expired = FOREVER  # the deadline that the greenlet was woken for last
        self._postponed: Waiting | None = None
        self._waiting: Managed | None = None

    # -- the greenlet ----------------------------------------------------------------

    def begin(self, listener: Listener, sock: PlainChannel, peer: object) -> None:
        """Serve a client in a greenlet of its own, as soon as it has sent something."""
        self._waiting = first = self._driver.begin(self, listener, sock, peer)
        self.deadline = deadline_after(self.limits.header_timeout)
        self.greenlet = self._gate.spawn(self._run, first, sock)

    def _run(self, mask: int, first: Connection | ProxyHeaderReader, sock: PlainChannel) -> None:
        """Serve a client until its connection is closed."""
        self._waiting = None
        self.deadline = FOREVER
        try:
            if mask:
                first.start()
            else:
                first.expire()
            while self._go_on():
                pass
        except Exception:
            # A defect of ours, or a system that fails: the other clients must not pay for it.
            self.log.exception("Error on the connection of ip=%s", first.peer_host)
        finally:
            # Also when the greenlet is killed, by the application perhaps.
            if sock.fileno() >= 0:
                (self._waiting or first).close()
            self._gate.release()
            self._driver.leave(self)

    def _go_on(self) -> bool:
        """Wait for the connection and let it go on. Returns False once it is closed."""
        connection = self._postponed
        if connection is not None:
            self._postponed = None
            self._driver.scheduler.sleep(0)
            connection.go_on()
            return True
        waiting = self._waiting
        if waiting is None:
            return False
        if self._driver.draining and waiting.idle:
            waiting.deadline = min(waiting.deadline, monotonic() + DRAIN_GRACE)
        self.deadline = waiting.deadline
        # Reading goes on when what has to be said first is sent: a gate waits for one of the two.
        events = self._gate.wait(waiting.interest & WRITABLE or waiting.interest)
        self.deadline = FOREVER
        if events:
            waiting.on_event(events)
            driver = self._driver
            driver.turns -= 1
            if driver.turns < 0:
                driver.accept_meanwhile()
        else:
            waiting.expire()
        return True

    def hurry(self, deadline: float) -> None:
        """Wait no longer than this for the first byte of a request."""
        if self._waiting is not None and self._waiting.idle:
            self.deadline = min(self.deadline, deadline)

    def expire(self) -> None:
        """Wake the greenlet, because its deadline has passed.

        One that does not react is lost: a hub without memory may fail to switch to a greenlet, and
        then does not try again.
        """
        if self._expired != self.deadline:
            self._expired = self.deadline
            self._gate.wake()
            return
        watched = self._waiting
        if watched is not None:
            self.log.error(
                "Closing the connection of ip=%s: its greenlet is lost", watched.peer_host
            )
            watched.close()
        self._gate.release()
        self._driver.leave(self)

    # -- for its connection ----------------------------------------------------------

    def postpone(self, connection: Waiting) -> None:
        """Let a connection with a pipelined request go on when others have had their turn."""
        self._postponed = connection

    def queue_upload(self, connection: Waiting) -> None:
        """Let a connection read more of a long body at once."""
        connection.go_on()

    def set_interest(self, connection: Managed, mask: int) -> None:
        """Wait for the connection next; its ``interest`` says for what."""
        self._waiting = connection

    def forget(self, connection: Managed) -> None:
        """Wait no more."""
        self._waiting = None
        self._gate.release()

    def wait_for_client(self) -> None:
        """Wait until the client takes more of its response.

        :raises ClientDisconnected: when that takes longer than ``write_timeout``.
        """
        self._credit = TURN
        self.deadline = deadline_after(self.limits.write_timeout)
        try:
            if not self._gate.wait(WRITABLE):
                raise ClientDisconnected("the client takes nothing of its response")
        finally:
            self.deadline = FOREVER

    def sent(self, count: int) -> None:
        """Count what the client has taken, and let others run now and then."""
        self._credit -= count
        if self._credit < 0:
            self._credit = TURN
            self._driver.scheduler.sleep(0)
