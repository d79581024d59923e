"""The server of one worker: an event loop, its connections, and how they end."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Any

from corn_asgi.acceptor import Acceptor
from corn_asgi.application import is_deferred, make_application
from corn_asgi.ends import ends_of
from corn_asgi.forked import watch_forks
from corn_asgi.host import Held
from corn_asgi.lifespan import Lifespan
from corn_asgi.loops import make_loop
from corn_asgi.scope import Ends, Scope, ScopeBuilder
from corn_asgi.tasks import Calls
from corn_asgi.websocket.connection import WebSocketConnection
from corn_asgi.websocket.options import websocket_options
from corn_core.plugin import WorkerQuit
from corn_core.worker import (
    DRAINING,
    ConnectionInfo,
    NativeCycle,
    RequestCycle,
    client_limits,
    close_listeners,
)

if TYPE_CHECKING:
    from corn_asgi.connection import Connection
    from corn_asgi.websocket.handshake import Handshake
    from corn_core.http import Request
    from corn_core.worker import Listener, Worker

TICK = 1.0
"""Seconds between heartbeats, and between looks at deadlines."""

PAUSE = 0.05
"""Seconds between looks at what is left, while the worker drains."""

GOING_AWAY = 1001
SERVICE_RESTART = 1012


class Server:
    """Serves a worker's application; there is one per process. See ``host.Host``.

    :ivar loop: the loop that everything runs in.
    """

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.log = worker.log
        self.limits = client_limits(worker.cfg, worker.cfg.keepalive)
        self.websocket = websocket_options(worker.cfg)
        self.keepalive = self.limits.keepalive
        self.keeps = self.keepalive > 0
        self.send_file_allowed = bool(worker.cfg.sendfile) and worker.ssl_context is None
        self.connections: set[Held] = set()
        self.loop = make_loop(worker.cfg.asgi_loop)
        self.calls = Calls(self.loop)
        self.app: Any = worker.app
        self._acceptors: dict[Listener, Acceptor] = {}
        self._lifespan: Lifespan | None = None
        self._leaving: WorkerQuit | None = None
        self._main: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self.scopes: ScopeBuilder
        self.cycle: RequestCycle
        self.native: NativeCycle

    # -- before the worker is ready ------------------------------------------------------

    def prepare(self) -> None:
        """Make the application, and run its startup.

        :raises AppLoadError: when one of the two fails.
        """
        asyncio.set_event_loop(self.loop)
        self.loop.set_exception_handler(self._on_loop_error)
        try:
            self._complete(self._start_up())
        except WorkerQuit:
            self._abandon()
            raise

    async def _start_up(self) -> None:
        config = self.worker.cfg
        if is_deferred(self.app, config):
            self.app = self.worker.app = await make_application(self.app, config)
        state = None
        if config.asgi_lifespan != "off":
            lifespan = Lifespan(self.app, config.asgi_lifespan, config.wsgi_app, self.log)
            if await lifespan.start():
                self._lifespan = lifespan
                state = lifespan.state
        self.scopes = ScopeBuilder(config, state)

    # -- serving -------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the worker stops, and drain."""
        self.cycle = self.worker.cycle
        self.native = self.cycle.native(self.worker.request_done)
        watch_forks(self)
        try:
            self._complete(self._serve())
            self._complete(self.loop.shutdown_asyncgens())
        except BaseException:
            # The worker was told to exit now. Complaints about what is left would be noise.
            self.loop.set_exception_handler(lambda loop, context: None)
            self._abandon()
            raise
        asyncio.set_event_loop(None)
        self.loop.close()

    def _complete(self, work: Any) -> None:
        """Run the loop until this is done, whatever tasks of the application raise meanwhile."""
        task = self._main = self.loop.create_task(work)
        while True:
            try:
                self.loop.run_until_complete(task)
                return
            except WorkerQuit:
                raise
            except RuntimeError:
                if self._leaving is not None:
                    raise self._leaving from None
                raise
            except (SystemExit, KeyboardInterrupt):
                # Of a task that the application has started. It stops the loop, and no more.
                if task.done():
                    raise
                self.log.exception("A task of the application wanted the process to exit")

    def _abandon(self) -> None:
        """End the loop's main task: threads of anyio wait for that, and would not let us exit."""
        if self._main is None:
            return
        self._main.cancel()
        # More than once, because a stop of the loop may have been asked for already.
        for _ in range(3):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    async def _serve(self) -> None:
        self._acceptors = {each: Acceptor(self, each) for each in self.worker.listeners}
        self._tick()
        await self._stopping.wait()
        await self._drain()

    def leave(self, order: WorkerQuit) -> None:
        """Have the loop end at once; called in a signal's handler, which then raises the order.

        A callback of uvloop's may be running, and that would keep the exception to itself.
        """
        self._leaving = order
        self.loop.call_soon_threadsafe(self.loop.stop)

    def wake(self) -> None:
        """Look whether the worker is to stop; called in a signal's handler."""
        self.loop.call_soon_threadsafe(self._look)

    def _look(self) -> None:
        if not self.worker.alive:
            self._stopping.set()

    def _tick(self) -> None:
        self.loop.call_later(TICK, self._tick)
        self.worker.notify()
        self.worker.slot.set_connections(self.held())
        self._look()
        self._expire(monotonic())
        if not self._stopping.is_set():
            for acceptor in self._acceptors.values():
                acceptor.resume()

    def _expire(self, now: float) -> None:
        for connection in [each for each in self.connections if each.deadline <= now]:
            connection.expire(now)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if not isinstance(error, WorkerQuit):
            self.log.error("%s", context["message"], exc_info=error)

    # -- for connections and acceptors -----------------------------------------------------

    def held(self) -> int:
        """Count the connections."""
        return len(self.connections) + sum(each.greeted for each in self._acceptors.values())

    def ends_of(self, info: ConnectionInfo, transport: asyncio.Transport) -> Ends:
        """Describe the two ends of a connection for its scopes."""
        return ends_of(info, transport)

    def stop_code(self) -> int:
        """Return the code with which WebSockets are closed when the worker stops."""
        return GOING_AWAY if self.worker.slot.server_stopping() else SERVICE_RESTART

    def open_websocket(
        self, connection: Connection, request: Request, handshake: Handshake, scope: Scope
    ) -> None:
        """Give a connection whose client asks for a WebSocket to another protocol."""
        websocket = WebSocketConnection(connection, request, handshake)
        self.connections.add(websocket)
        websocket.take_over()
        self.calls.start(websocket.call, scope)

    # -- the end ---------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Stop accepting, finish what has begun, and end the application."""
        # The master kills when the time is up, and the application must have ended before that.
        margin = min(2.0, self.worker.cfg.graceful_timeout / 4)
        deadline = monotonic() + self.worker.cfg.graceful_timeout - margin
        self.worker.slot.set_state(DRAINING)
        self.keeps = False
        for acceptor in self._acceptors.values():
            acceptor.stop()
        close_listeners(self.worker, lambda listener: self._acceptors[listener].take_backlog())
        for connection in list(self.connections):
            connection.stop()
        await self._await_calls(deadline)
        await self._end_calls(margin / 4)
        await self._shut_down(max(deadline - monotonic(), margin / 4))
        await self._end_tasks(margin / 4)

    async def _await_calls(self, deadline: float) -> None:
        while self.held() or self.calls.running:
            now = monotonic()
            if now >= deadline:
                return
            self._expire(now)
            await asyncio.sleep(PAUSE)

    async def _end_calls(self, patience: float) -> None:
        """Cancel the calls that have not ended in time, and close what is still open."""
        for acceptor in self._acceptors.values():
            acceptor.abandon()
        if calls := self.calls.cancel():
            self.log.warning("%d calls of the application were cancelled", len(calls))
            await asyncio.wait(calls, timeout=patience)
        for connection in list(self.connections):
            connection.close()

    async def _shut_down(self, patience: float) -> None:
        if self._lifespan is None:
            return
        try:
            async with asyncio.timeout(patience):
                await self._lifespan.stop()
        except TimeoutError:
            self.log.error("The application's shutdown has not ended in time")
            self._lifespan.cancel()

    async def _end_tasks(self, patience: float) -> None:
        """Cancel what the application has left running, as ``asyncio.run`` does."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=patience)
