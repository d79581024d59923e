"""Gives each new connection of one listener a transport of the event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from corn_asgi.connection import Connection
from corn_asgi.greeting import read_header
from corn_asyncio.acceptor import TransportAcceptor
from corn_core.plugin import BadRequest
from corn_core.worker import ConnectionInfo

if TYPE_CHECKING:
    from corn_asgi.host import Host
    from corn_core.plugin import Listener


class Acceptor(TransportAcceptor):
    """Gives the connections of one listener to the server of an asgi worker."""

    def __init__(self, server: Host, listener: Listener) -> None:
        super().__init__(server.worker, listener, server.loop, lambda: len(server.connections))
        self._server = server

    def begin(self, greeting: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin at once, where asyncio can: in each round of the loop all others have a turn."""
        if self.stopped:
            return super().begin(greeting)
        return self._server.calls.begin(greeting)

    async def greet(self, connection: socket.socket, peer: Any) -> None:
        """Read a header of the PROXY protocol, if there is one, and make the transport."""
        server = self._server
        context = server.worker.ssl_context
        info = ConnectionInfo(self.listener, peer, None, "https" if context else "http")
        timeout = server.limits.header_timeout or None
        introduce = self.introduction()
        try:
            if server.limits.proxy is not None:
                info.proxy = await read_header(self.loop, connection, peer, server.limits)
            await self.loop.connect_accepted_socket(
                lambda: Connection(server, info, introduce),
                connection,
                ssl=context,
                ssl_handshake_timeout=timeout if context else None,
            )
        except BadRequest as error:
            info.scheme = "http"
            refused = Connection(server, info, introduce, error)
            await self.loop.connect_accepted_socket(lambda: refused, connection)
        except OSError as error:
            # The handshake failed, or the client has already left.
            server.log.debug("A connection was not established: %s", error)
            connection.close()
        except BaseException:
            connection.close()
            raise
