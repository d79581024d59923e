"""What a connection asks of the server that holds it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from corn_asgi.scope import Ends, Scope, ScopeBuilder
    from corn_asgi.tasks import Calls
    from corn_asgi.websocket.handshake import Handshake
    from corn_asgi.websocket.options import WebSocketOptions
    from corn_core.http import Request
    from corn_core.interfaces import Logger
    from corn_core.serving.settings import ClientLimits
    from corn_core.wsgi import ConnectionInfo, NativeCycle, RequestCycle


class Held(Protocol):
    """A connection, as the server holds it."""

    deadline: float

    @property
    def idle(self) -> bool:
        """True if the client has yet to send the first octet of a request."""

    def expire(self, now: float) -> None:
        """The deadline has passed."""

    def stop(self) -> None:
        """The worker stops: end as soon as that can be done with good manners."""

    def close(self) -> None:
        """Close when everything was sent."""


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

    def ends_of(self, info: ConnectionInfo, transport: asyncio.Transport) -> Ends:
        """Describe the two ends of a connection for its scopes."""

    def stop_code(self) -> int:
        """Return the code with which WebSockets are closed when the worker stops."""

    def open_websocket(
        self, connection: Any, request: Request, handshake: Handshake, scope: Scope
    ) -> None:
        """Give a connection whose client asks for a WebSocket to another protocol."""
