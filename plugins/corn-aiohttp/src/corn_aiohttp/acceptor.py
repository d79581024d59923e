"""Accepts connections for a server that runs in an event loop."""

from __future__ import annotations

import asyncio
import socket
from time import monotonic
from typing import TYPE_CHECKING

from corn_core.worker import Balance, SelectorDriver, exhausted

if TYPE_CHECKING:
    from aiohttp import web

    from corn_core.worker import Listener, Worker


class Acceptor:
    """Accepts on one listener, as long as the worker may hold more connections.

    The loop's own way of accepting has no limit, and closes the listener without accepting the
    connections in its backlog.
    """

    def __init__(
        self,
        worker: Worker,
        listener: Listener,
        server: web.Server,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._worker = worker
        self._listener = listener
        self._server = server
        self._loop = loop
        self._accepting = False
        self._stopped = False
        self._balance = Balance(worker.slot)
        # asyncio holds only weak references to tasks.
        self._greeting: set[asyncio.Task[None]] = set()

    @property
    def busy(self) -> bool:
        """True if there are connections that the server does not know about yet."""
        return bool(self._greeting)

    def resume(self) -> None:
        """Accept, if there is room for more connections."""
        self._balance.meet()
        self._go_on()

    def _go_on(self) -> None:
        if not self._accepting and not self._stopped and self._has_room():
            self._accepting = True
            self._loop.add_reader(self._listener.fileno(), self._on_acceptable)

    def stop(self) -> None:
        """Stop accepting, for good."""
        self._stopped = True
        self._pause()

    def take_backlog(self) -> None:
        """Accept what is in the backlog, after :meth:`stop`."""
        self._accept(self._worker.cfg.worker_connections)

    def _pause(self) -> None:
        if self._accepting:
            self._accepting = False
            self._loop.remove_reader(self._listener.fileno())

    def _has_room(self) -> bool:
        return self._held() < int(self._worker.cfg.worker_connections)

    def _held(self) -> int:
        return len(self._server.connections) + len(self._greeting)

    def _on_acceptable(self) -> None:
        # As many as the loop may have served others since the last time: all have one round.
        self._accept(SelectorDriver.accept_batch + 2 * self._held())

    def _accept(self, batch: int) -> None:
        for _ in range(batch):
            if not self._has_room():
                self._pause()  # the next tick tries again
                return
            if not self._stopped and not self._balance.has_turn(self._held(), monotonic()):
                self._pause()
                self._loop.call_later(self._balance.moment(), self._go_on)
                return
            try:
                connection, _ = self._listener.socket.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if exhausted(error, self._worker.log):
                    self._pause()
                return
            connection.setblocking(False)
            task = self._loop.create_task(self._greet(connection))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, connection: socket.socket) -> None:
        """Do the handshake, if there is one, and give the connection to the server."""
        context = self._worker.ssl_context
        timeout = self._worker.cfg.header_timeout or None
        try:
            await self._loop.connect_accepted_socket(
                self._server,
                connection,
                ssl=context,
                ssl_handshake_timeout=timeout if context else None,
            )
        except OSError as error:
            # The handshake failed, or the client has already left.
            self._worker.log.debug("A connection was not established: %s", error)
            connection.close()
