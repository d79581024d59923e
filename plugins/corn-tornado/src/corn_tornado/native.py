"""The driver of a Tornado application: our way with connections, Tornado's with HTTP."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

from corn_core.serving.protocol import ProtocolDriver
from corn_core.serving.settings import terms_of
from corn_core.wsgi.trust import peer_test
from corn_tornado.connection import NativeConnection
from corn_tornado.exchange import NativeServer
from corn_tornado.heads import claimed_scheme

if TYPE_CHECKING:
    from tornado.httputil import HTTPHeaders
    from tornado.iostream import IOStream

    from corn_core.settings.config import Config
    from corn_core.worker import Worker

# Seconds that clients have for confirming that their websocket is closed.
FAREWELL = 2.0


class NativeDriver(ProtocolDriver):
    """Accepts connections, gives them to Tornado's server, and looks after their time.

    A connection that Tornado has is not in the driver's poller, but it counts for all else:
    worker_connections, deadlines, the scoreboard, and the end.
    """

    def __init__(self, worker: Worker, app: Any) -> None:
        super().__init__(worker, terms_of(worker.cfg, keepalive=worker.cfg.keepalive))
        self.connection_class: type[Any] = NativeConnection
        self.scheme = "https" if self.encryption is not None else "http"
        self.native = worker.cycle.native(worker.request_done)
        self._graceful_timeout: float = worker.cfg.graceful_timeout
        self._stop_at = 0.0
        self._is_trusted = peer_test(worker.cfg.forwarded_allow_ips)
        self._secure_values: dict[str, str] = worker.cfg.secure_scheme_headers
        self.server = NativeServer(
            app,
            no_keep_alive=not self.terms.keepalive,
            max_header_size=self.terms.limits.head,
            max_body_size=_body_limit(worker.cfg),
        )

    @property
    def draining(self) -> bool:
        """Whether the worker stops, so that every response is the last of its connection."""
        return self._draining

    def _accept_from(self, fd: int) -> bool:
        """Take as many new connections as the loop may have served others since the last time.

        What is accepted here is not answered here: Tornado's loop does that, in one round with all
        others. With a batch of one size for each round, most clients would wait for many rounds.
        """
        more = True
        for _ in range(0, self.accept_batch + 2 * self.held(), self.accept_batch):
            more = more and super()._accept_from(fd)
        return more

    # -- for connections -------------------------------------------------------------

    def adopt(self, connection: NativeConnection, stream: IOStream) -> None:
        """Begin with a connection of which Tornado's loop takes care."""
        self.connections[connection.fd] = connection
        header = connection.proxy
        named = None if header is None else header.source
        address = connection.peer if named is None else named
        self.server.handle_stream(stream, address)

    def gone(self, connection: NativeConnection) -> None:
        """The connection is closed."""
        del self.connections[connection.fd]
        if self._draining:
            self._schedule()

    def scheme_of(self, headers: HTTPHeaders, connection: NativeConnection) -> str:
        """The scheme that the client used, as its own connection or a trusted front-end says.

        :raises BadRequest: when the fields of a front-end contradict each other.
        """
        claimed = None
        if self._is_trusted(connection.peer):
            claimed = claimed_scheme(headers, self._secure_values)
        return claimed or connection.scheme

    def conclude(self) -> None:
        """Tell hooks and logs about the requests that will never be answered."""
        for connection in list(self.connections.values()):
            if isinstance(connection, NativeConnection):
                connection.end()

    # -- the loop --------------------------------------------------------------------

    def _tick(self, now: float) -> None:
        super()._tick(now)
        for connection in list(self.connections.values()):
            if isinstance(connection, NativeConnection) and connection.stalled(now):
                self._guard(connection, connection.close)

    def _drained(self) -> bool:
        """Say whether every connection has ended; websockets are asked to when they are due."""
        if not self._draining:
            self.server.conn_params.no_keep_alive = True
            # A tick may pass before it is noticed.
            margin = min(FAREWELL + self.TICK, self._graceful_timeout / 2)
            self._stop_at = monotonic() + self._graceful_timeout - margin
        drained = super()._drained()
        if not drained and self._websockets_due():
            self._say_goodbye()
        return drained

    def _websockets_due(self) -> bool:
        """Whether only they are left, or the master would not wait for much longer."""
        if monotonic() >= self._stop_at:
            return True
        return all(getattr(each, "detached", False) for each in self.connections.values())

    def _say_goodbye(self) -> None:
        deadline = monotonic() + FAREWELL
        for connection in list(self.connections.values()):
            if isinstance(connection, NativeConnection) and connection.undisturbed:
                connection.deadline = deadline
                self._guard(connection, connection.go_away)


def _body_limit(config: Config) -> int | None:
    """What Tornado is to take; it keeps bodies in memory, so its own limit is the default."""
    if config.origin("limit_request_body").kind == "default":
        return None
    limit: int = config.limit_request_body
    return limit or sys.maxsize
