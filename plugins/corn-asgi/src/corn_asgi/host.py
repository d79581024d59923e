"""Protocols between a connection, the server that holds it, and the call it is in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from corn_asgi.scope import Ends, Scope, ScopeBuilder
    from corn_asgi.tasks import Calls
    from corn_asgi.websocket.handshake import Handshake
    from corn_asgi.websocket.options import WebSocketOptions
    from corn_core.http import Request, RequestParser
    from corn_core.typing import Logger
    from corn_core.worker import ClientLimits, ConnectionInfo, NativeCycle, RequestCycle, Worker

Leave = Callable[["Request | None"], NoReturn]
"""Ends a forked process that has come back to the server; see ``RequestCycle.leave_child``."""


class Held(Protocol):
    """A connection, as the server holds it."""

    deadline: float

    def expire(self, now: float) -> None:
        """Act on a deadline that has passed."""

    def stop(self) -> None:
        """End as soon as that can be done with good manners, because the worker stops."""

    def close(self) -> None:
        """Close when everything was sent."""

    def lose_transport(self, leave: Leave) -> asyncio.Transport:
        """Give the transport up, in a process that the application has forked, and return it."""


class Host(Protocol):
    """The server of a worker, as its connections see it.

    :ivar keepalive: how long a connection waits for its next request.
    :ivar keeps: whether connections are kept at all.
    """

    app: Any
    calls: Calls
    connections: set[Held]
    cycle: RequestCycle
    keepalive: float
    keeps: bool
    limits: ClientLimits
    log: Logger
    loop: asyncio.AbstractEventLoop
    native: NativeCycle
    scopes: ScopeBuilder
    send_file_allowed: bool
    websocket: WebSocketOptions
    worker: Worker

    def ends_of(self, info: ConnectionInfo, transport: asyncio.Transport) -> Ends:
        """Describe the two ends of a connection for its scopes."""

    def stop_code(self) -> int:
        """Return the code with which WebSockets are closed when the worker stops."""

    def open_websocket(
        self, connection: Any, request: Request, handshake: Handshake, scope: Scope
    ) -> None:
        """Give a connection whose client asks for a WebSocket to another protocol."""


class Client(Protocol):
    """A connection, as the call of its present request sees it."""

    call: Any
    deadline: float
    host: Host
    info: ConnectionInfo
    parser: RequestParser
    transport: asyncio.Transport
    write_paused: bool

    def write(self, data: bytes) -> None:
        """Send, and keep what the client does not take now."""

    async def drained(self) -> None:
        """Wait until the client has taken enough of what was sent, or is gone."""

    def pause_writing(self) -> None:
        """Take note that the client does not take what is sent."""

    def resume_writing(self) -> None:
        """Take note that it does."""

    def resume_reading(self) -> None:
        """Read on."""

    def finish(self, keep: bool, bodiless: bool = False) -> None:
        """Go on to the next request once the response is complete, or close.

        :param bodiless: True if the request has no body, of which something could be left.
        """

    def cut(self, visibly: bool) -> None:
        """End in the middle of a response."""

    def extra(self, name: str) -> Any:
        """Return what the transport says of itself."""
