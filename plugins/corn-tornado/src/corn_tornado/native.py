"""The driver of a Tornado application: corn handles connections, Tornado HTTP."""

from __future__ import annotations

import sys
from time import monotonic
from typing import TYPE_CHECKING, Any

from corn_asyncio.driver import AsyncioDriver
from corn_core.worker import client_limits, peer_test
from corn_tornado.connection import NativeConnection
from corn_tornado.exchange import NativeServer
from corn_tornado.heads import claimed_scheme

if TYPE_CHECKING:
    from tornado.httputil import HTTPHeaders
    from tornado.iostream import IOStream

    from corn_core.typing import Config
    from corn_core.worker import Worker

# Seconds that clients have to confirm that their websocket is closed.
FAREWELL = 2.0


class NativeDriver(AsyncioDriver):
    """Accepts connections, gives them to Tornado's server, and enforces their deadlines.

    Tornado polls these connections instead of the driver. For everything else they count:
    worker_connections, deadlines, the scoreboard, and stopping.
    """

    def __init__(self, worker: Worker, app: Any) -> None:
        super().__init__(worker, client_limits(worker.cfg, keepalive=worker.cfg.keepalive))
        self.connection_class: type[Any] = NativeConnection
        self.scheme = "https" if self.encryption is not None else "http"
        self.native = worker.cycle.native(worker.request_done)
        self._graceful_timeout: float = worker.cfg.graceful_timeout
        self._stop_at = 0.0
        self._is_trusted = peer_test(worker.cfg.forwarded_allow_ips)
        self._secure_values: dict[str, str] = worker.cfg.secure_scheme_headers
        self.server = NativeServer(
            app,
            no_keep_alive=not self.limits.keepalive,
            max_header_size=self.limits.http.head,
            max_body_size=_body_limit(worker.cfg),
        )

    def accept_from(self, fd: int) -> bool:
        """Take as many new connections as the loop may have served others since the last time.

        What is accepted here is not answered here: Tornado's loop does that, in one round with all
        others. With a batch of one size for each round, most clients would wait for many rounds.
        """
        more = True
        for _ in range(0, self.accept_batch + 2 * self.held(), self.accept_batch):
            more = more and super().accept_from(fd)
        return more

    # -- for connections -------------------------------------------------------------

    def adopt(self, connection: NativeConnection, stream: IOStream) -> None:
        """Start handling a connection whose stream Tornado's loop polls."""
        self.connections[connection.fd] = connection
        header = connection.proxy
        named = None if header is None else header.source
        address = connection.peer if named is None else named
        self.server.handle_stream(stream, address)

    def gone(self, connection: NativeConnection) -> None:
        """Forget a connection that is closed."""
        del self.connections[connection.fd]
        if self.draining or self.crowded:
            self.schedule()

    def scheme_of(self, headers: HTTPHeaders, connection: NativeConnection) -> str:
        """Return the client's scheme, according to a trusted front end or else the connection.

        :raises BadRequest: when the front end's fields contradict each other.
        """
        claimed = None
        if self._is_trusted(connection.peer):
            claimed = claimed_scheme(headers, self._secure_values)
        return claimed or connection.scheme

    def request_finished(self) -> None:
        """Report the requests that will never be answered to hooks and logs."""
        for connection in list(self.connections.values()):
            if isinstance(connection, NativeConnection):
                connection.end()

    # -- the loop --------------------------------------------------------------------

    def on_tick(self, now: float) -> None:
        super().on_tick(now)
        for connection in list(self.connections.values()):
            if isinstance(connection, NativeConnection) and connection.stalled(now):
                self.guard(connection, connection.close)

    def drained(self) -> bool:
        """Tell whether every connection has ended; close websockets when it is time."""
        if not self.draining:
            self.server.conn_params.no_keep_alive = True
            # It may take one tick until this is noticed.
            margin = min(FAREWELL + self.TICK, self._graceful_timeout / 2)
            self._stop_at = monotonic() + self._graceful_timeout - margin
        drained = super().drained()
        if not drained and self._websockets_due():
            self._say_goodbye()
        return drained

    def _websockets_due(self) -> bool:
        """Tell whether only websockets are left, or the master is about to lose patience."""
        if monotonic() >= self._stop_at:
            return True
        return all(getattr(each, "detached", False) for each in self.connections.values())

    def _say_goodbye(self) -> None:
        deadline = monotonic() + FAREWELL
        for connection in list(self.connections.values()):
            if isinstance(connection, NativeConnection) and connection.undisturbed:
                connection.deadline = deadline
                self.guard(connection, connection.go_away)


def _body_limit(config: Config) -> int | None:
    """Return Tornado's body limit; its own is the default, because it keeps bodies in memory."""
    if not config.given("limit_request_body"):
        return None
    limit: int = config.limit_request_body
    return limit or sys.maxsize
