"""A real connection on a socket pair, under a driver that writes down what it is told."""

from __future__ import annotations

import re
import select
import socket
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from corn_core.http import Limits, Request
from corn_core.interfaces import Logger
from corn_core.net import Listener
from corn_core.net.channel import PlainChannel
from corn_core.net.tlschannel import Encryption
from corn_core.serving.connection import LINGER_SECONDS, Connection
from corn_core.serving.driver import FOREVER, Managed, Phase, Stream, Successor, Waiting
from corn_core.serving.poller import NOTHING, READABLE, WRITABLE
from corn_core.serving.settings import ClientLimits
from corn_core.wsgi import RequestBody, RequestCycle
from tests.unit.wsgi.harness import Server

LARGE = bytes(range(256)) * 1024
"""A response that no client takes at once; it fits into the memory of the send buffer."""

PIECES = 4
"""``/pieces`` answers with so many times ``LARGE``: more than the send buffer keeps in memory."""

CLIENT_LIMITS = ClientLimits(
    http=Limits(request_line=200, body=1000),
    keepalive=4000.0,
    header_timeout=1000.0,
    body_timeout=2000.0,
    write_timeout=3000.0,
    spool_limit=0,
    max_connections=10,
    tmp_dir=None,
)

BEFORE = 123456789.0
"""The deadline that a connection has before an event; no clock says so."""

# A deadline tells by its distance which of the limits it came from: no test takes a minute.
KINDS = {
    "header": CLIENT_LIMITS.header_timeout,
    "body": CLIENT_LIMITS.body_timeout,
    "write": CLIENT_LIMITS.write_timeout,
    "keepalive": CLIENT_LIMITS.keepalive,
}
MINUTE = 60.0

PATIENCE = 15_000
"""Milliseconds until a test gives up the network."""

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER that makes close(2) send a reset."""

MASKS = {
    NOTHING: "nothing",
    READABLE: "read",
    WRITABLE: "write",
    READABLE | WRITABLE: "read and write",
}


def kind_of(deadline: float, now: float) -> str:
    """Tell which timeout ends at a deadline that was set just now."""
    if deadline == BEFORE:
        return ""
    if deadline == FOREVER:
        return "never"
    left = deadline - now
    for kind, seconds in KINDS.items():
        if seconds - MINUTE < left <= seconds:
            return kind
    return "linger" if left <= LINGER_SECONDS else f"{left} s"


@dataclass
class Recorder:
    """A driver that answers at once, and writes down what its connection tells it.

    :ivar lends: whether it leaves the request to the test instead, as one with threads does.
    :ivar told: everything, in order; the application adds what it was asked.
    :ivar managed: what is under its poller.
    :ivar while_waiting: is called in the place of the master when a connection holds the worker.
    """

    cycle: RequestCycle
    limits: ClientLimits
    log: Logger
    protocols: Mapping[str, Successor] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    connection_class: type[Connection] = Connection
    encryption: Encryption | None = None
    lends: bool = False
    while_waiting: Callable[[], object] = lambda: None
    lent: tuple[Request, RequestBody] | None = None
    managed: Managed | None = None

    def dispatch(self, connection: Stream, request: Request, body: RequestBody) -> None:
        assert isinstance(connection, Connection)
        if self.lends:
            connection.phase = Phase.AWAY
            self.lent = request, body
            self.told.append("lent")
        else:
            self.answer(connection, request, body)

    def answer(self, connection: Connection, request: Request, body: RequestBody) -> None:
        keep = self.limits.keepalive > 0
        connection.finish(self.cycle.run(request, body, connection, connection, keep))

    def postpone(self, connection: Waiting) -> None:
        self.told.append("postpone")

    def queue_upload(self, connection: Waiting) -> None:
        self.told.append("queue")
        connection.go_on()

    def set_interest(self, connection: Managed, mask: int) -> None:
        self.told.append(f"watch {MASKS[mask]}")
        self.managed = connection

    def forget(self, connection: Managed) -> None:
        assert self.managed is connection
        self.told.append("forget")
        self.managed = None

    def notify(self) -> None:
        self.told.append("notify")
        self.while_waiting()


def pair(tcp: bool = False) -> tuple[socket.socket, PlainChannel]:
    """Make the client's end and the server's, with buffers that hold little."""
    if not tcp:
        client, accepted = socket.socketpair()
    else:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            client = socket.create_connection(listening.getsockname())
            accepted, _ = listening.accept()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return client, PlainChannel(accepted.family, accepted.type, 0, accepted.detach())


class Bench:
    """A connection, its client, and its driver.

    Everything is as it would be under a real driver, except that nothing happens by itself: the
    test is the poller and the clock.

    :ivar received: all that the client has taken.
    :ivar seen: the statuses of what it has taken, and how it ended.
    """

    def __init__(
        self,
        server: Server,
        listener: Listener,
        tcp: bool = False,
        limits: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.server = server
        self.tcp = tcp
        self.client, self.sock = pair(tcp)
        self.driver = Recorder(server.cycle(self.app), CLIENT_LIMITS._replace(**limits), server.log)
        self.received = b""
        self.seen: list[str] = []
        self.connection = Connection(self.driver, listener, self.sock, ("192.0.2.7", 4711))

    def app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Say what was asked, and answer with that or with more than a client takes at once."""
        path, body = environ["PATH_INFO"], environ["wsgi.input"].read()
        asked = f"{environ['REQUEST_METHOD']} {path} {body.decode()}".rstrip()
        self.driver.told.append(asked)
        data = {"/large": [LARGE], "/pieces": [LARGE] * PIECES}.get(path, [asked.encode()])
        start_response("200 OK", [("Content-Length", str(sum(map(len, data))))])
        return iter(data)

    # -- what the client does ----------------------------------------------------------

    def say(self, data: bytes) -> None:
        """Send as the client, until all of it can be received."""
        self.client.sendall(data)
        if data:
            self.arrive()

    def end(self) -> None:
        """Send no more, and go on receiving."""
        self.client.shutdown(socket.SHUT_WR)
        self.arrive()

    def leave(self) -> None:
        """Close the connection."""
        self.client.close()
        self.arrive()

    def arrive(self) -> None:
        """Wait until what the client did has come through the network."""
        poll = select.poll()
        poll.register(self.connection.fd, select.POLLIN)
        assert poll.poll(PATIENCE), "it does not arrive"

    def reset(self) -> None:
        """Leave as a client does that was killed."""
        self.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.client.close()
        self.arrive()

    def take(self) -> None:
        """Receive all there is, as the client."""
        taken, end = b"", []
        try:
            while piece := self.client.recv(65536, socket.MSG_DONTWAIT):
                taken += piece
            end = ["end"]
        except BlockingIOError:
            pass
        except ConnectionResetError:
            end = ["reset"]
        taken, words = self.understand(taken)
        self.received += taken
        self.seen += [status.decode() for status in re.findall(rb"HTTP/1\.1 (\d+)", taken)]
        self.seen += [word for word in (*words, *end) if word not in self.seen]

    def understand(self, data: bytes) -> tuple[bytes, list[str]]:
        """Read the bytes on the wire as the client does, and what else it learns from them."""
        return data, []

    def take_some(self) -> None:
        """Receive what has been sent, when it is here, and let the connection send more."""
        poll = select.poll()
        poll.register(self.client, select.POLLIN)
        assert poll.poll(PATIENCE), "nothing is sent"
        self.take()
        self.connection.on_event(WRITABLE)

    def take_all(self) -> None:
        """Receive all of a response that waits, as the connection sends it."""
        self.take()
        self.connection.on_event(WRITABLE)
        while self.connection.phase is Phase.FLUSH:
            self.take_some()
        self.take()

    # -- what the driver does ------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        """Let the poller say that what the client sent is there."""
        self.say(data)
        self.connection.on_event(READABLE)

    def give_back(self) -> None:
        """Say that the request that was lent has been answered."""
        assert self.driver.lent is not None
        self.driver.answer(self.connection, *self.driver.lent)

    def close(self) -> None:
        self.client.close()
        if self.driver.lent is not None:
            self.driver.lent[1].close()
        if self.sock.fileno() >= 0:
            (self.driver.managed or self.connection).close()
