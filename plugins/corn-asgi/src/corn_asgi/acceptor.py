"""Accepts connections on one listener, and gives each of them a transport of the event loop."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from typing import TYPE_CHECKING, Any

from corn_asgi.connection import Connection
from corn_asgi.greeting import read_header
from corn_core.errors import BadRequest
from corn_core.serving.balance import Balance
from corn_core.serving.selector import EXHAUSTED
from corn_core.wsgi import ConnectionInfo

if TYPE_CHECKING:
    from corn_asgi.host import Host
    from corn_core.net import Listener

BATCH = 16
"""New connections taken at a time, and two more for each that there is: the loop may have served
all of those since the last time."""


class Acceptor:
    """Accepts as long as the worker may hold more connections, and as it is its turn.

    The loop's own servers have no limit, and close a listener with clients in its backlog.
    """

    def __init__(self, server: Host, listener: Listener) -> None:
        self._server = server
        self._listener = listener
        self._loop = server.loop
        self._accepting = False
        self._stopped = False
        self._balance = Balance(server.worker.slot)
        # asyncio holds only weak references to tasks.
        self._greeting: set[asyncio.Task[None]] = set()

    @property
    def greeting(self) -> int:
        """Count the connections that have no transport yet."""
        return len(self._greeting)

    def resume(self) -> None:
        """Accept, if there is room for more connections."""
        self._balance.meet()
        self._go_on()

    def _go_on(self) -> None:
        if not self._accepting and not self._stopped and self._server.has_room():
            self._accepting = True
            self._loop.add_reader(self._listener.fileno(), self._on_acceptable)

    def stop(self, take_the_backlog: bool) -> None:
        """Stop accepting.

        :param take_the_backlog: first accept what is in the backlog, because no other worker will.
        """
        self._stopped = True
        if take_the_backlog or self._listener.per_worker:
            self._accept(self._server.limits.max_connections)
        self._pause()
        if take_the_backlog:
            self._listener.refuse()
        self._listener.close()

    def abandon(self) -> None:
        """Give up the connections that have no transport yet."""
        for task in self._greeting:
            task.cancel()

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener.fileno())

    def _on_acceptable(self) -> None:
        self._accept(BATCH + 2 * self._server.held())

    def _accept(self, batch: int) -> None:
        server = self._server
        for _ in range(batch):
            if not server.has_room():
                self._pause()  # the next tick tries again
                return
            if not self._stopped and not self._balance.has_turn(server.held(), monotonic()):
                self._pause()
                self._loop.call_later(self._balance.moment(), self._go_on)
                return
            try:
                client, peer = self._listener.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in EXHAUSTED:
                    server.log.warning("Cannot accept connections: %s; pausing", error.strerror)
                    self._pause()
                return
            client.setblocking(False)
            task = self._loop.create_task(self._greet(client, peer))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, client: socket.socket, peer: Any) -> None:
        """Read a header of the PROXY protocol, if there is one, and make the transport."""
        server = self._server
        context = server.worker.ssl_context
        info = ConnectionInfo(self._listener, peer, None, "https" if context else "http")
        timeout = server.limits.header_timeout or None
        try:
            if server.limits.proxy is not None:
                info.proxy = await read_header(self._loop, client, peer, server.limits)
            await self._loop.connect_accepted_socket(
                lambda: Connection(server, info),
                client,
                ssl=context,
                ssl_handshake_timeout=timeout if context else None,
            )
        except BadRequest as error:
            info.scheme = "http"
            refused = Connection(server, info, error)
            await self._loop.connect_accepted_socket(lambda: refused, client)
        except OSError as error:
            # The handshake failed, or the client has already left.
            server.log.debug("A connection was not established: %s", error)
            client.close()
        except BaseException:
            client.close()
            raise
