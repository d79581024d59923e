"""Accepts connections for aiohttp's own server."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from corn_asyncio.acceptor import TransportAcceptor

if TYPE_CHECKING:
    from aiohttp import web

    from corn_core.worker import Listener, Worker


class Acceptor(TransportAcceptor):
    """Gives the connections of one listener to a server of aiohttp's."""

    def __init__(
        self,
        worker: Worker,
        listener: Listener,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(worker, listener, loop, lambda: len(server.connections))
        self._server = server

    @property
    def busy(self) -> bool:
        """True if there are connections that the server does not know about yet."""
        return bool(self.greeted)

    async def greet(self, connection: socket.socket, peer: Any) -> None:
        """Do the handshake, if there is one, and give the connection to the server."""
        context = self.worker.ssl_context
        timeout = self.worker.cfg.header_timeout or None
        introduced = self.introduction()

        def make_handler() -> asyncio.BaseProtocol:
            if context is None:
                # Right after this, the transport has the loop tell the handler, and so the server,
                # that the connection is made. Under TLS that comes after the handshake.
                self.loop.call_soon(introduced)
            return self._server()

        try:
            await self.loop.connect_accepted_socket(
                make_handler,
                connection,
                ssl=context,
                ssl_handshake_timeout=timeout if context else None,
            )
        except OSError as error:
            # The handshake failed, or the client has already left.
            self.worker.log.debug("A connection was not established: %s", error)
            connection.close()
