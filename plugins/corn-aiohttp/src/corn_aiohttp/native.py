"""Serves an aiohttp application with aiohttp's own server in this process's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, web

from corn_aiohttp.acceptor import Acceptor
from corn_aiohttp.application import failure, make_application
from corn_aiohttp.observer import Observer
from corn_asyncio.loop import new_event_loop
from corn_core.plugin import ConfigError
from corn_core.worker import DRAIN_GRACE, TICK, close_listeners

if TYPE_CHECKING:
    from corn_core.worker import Listener, Worker

IGNORED = (
    *("body_timeout", "forwarded_allow_ips", "forwarder_headers", "header_map", "header_timeout"),
    *("limit_request_body", "limit_response_spool", "proxy_allow_ips", "secure_scheme_headers"),
    *("sendfile", "suppress_ragged_eofs", "threads", "tmp_upload_dir", "write_timeout"),
)
"""Settings of corn's own HTTP code, which is not used here."""

PAUSE = 0.05
"""Seconds between checks for what is left, while the worker drains."""


class NativeServer:
    """Serves a worker's application; there is one per process, with one event loop."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.cfg = worker.cfg
        self._loop = new_event_loop()
        self._loop.set_exception_handler(self._on_loop_error)
        self._stopping = asyncio.Event()
        self._acceptors: dict[Listener, Acceptor] = {}
        self._observer: Observer
        self._app: web.Application
        self._server: web.Server

    # -- before the worker is ready ------------------------------------------------------

    def start(self) -> None:
        """Make the application and run its start-up functions.

        :raises AppLoadError: when one of the two fails.
        :raises ConfigError: for settings with which no request could be served.
        """
        if self.cfg.proxy_protocol != "off":
            raise ConfigError(
                "proxy_protocol: expected off, as aiohttp's own server does not understand it,"
                f" got {self.cfg.proxy_protocol!r} ({self.cfg.origin('proxy_protocol')})"
            )
        asyncio.set_event_loop(self._loop)
        self._complete(self._start_up())

    async def _start_up(self) -> None:
        uri = self.cfg.wsgi_app
        self._app = await make_application(uri, self.worker.app)
        self.worker.app = self._app  # type: ignore[assignment]  # for hooks
        self._observer = Observer(self.worker)
        try:
            self._observer.attach(self._app)
            runner = web.AppRunner(self._app, **self._observer.arguments, **self._limits())
            await runner.setup()
        except Exception as error:
            # Broad, because the start-up functions may raise anything.
            raise failure(uri, "starting the application", error) from None
        assert runner.server is not None
        self._server = runner.server

    def _limits(self) -> dict[str, Any]:
        limits = {
            "keepalive_timeout": self.cfg.keepalive,
            "max_line_size": self.cfg.limit_request_line,
            "max_field_size": self.cfg.limit_request_field_size,
            "max_headers": self.cfg.limit_request_fields,
        }
        # 0 means no limit to corn. aiohttp has no such value, so its own default applies.
        return {name: value for name, value in limits.items() if value}

    # -- serving -------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the worker stops, and drain."""
        try:
            self._complete(self._serve())
            self._complete(self._loop.shutdown_asyncgens())
        except BaseException:
            # The worker was told to exit now. The application is not shut down in an orderly way,
            # so complaints about that would be noise.
            self._loop.set_exception_handler(lambda loop, context: None)
            raise
        asyncio.set_event_loop(None)
        self._loop.close()

    def _complete(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._loop.run_until_complete(coroutine)

    async def _serve(self) -> None:
        self._observer.watch(self._server)
        self._loop.add_reader(self.worker.wakeup.fd, self._on_signal)
        for listener in self.worker.listeners:
            acceptor = Acceptor(self.worker, listener, self._server, self._loop)
            self._acceptors[listener] = acceptor
        self._resume()
        self._tick()
        await self._stopping.wait()
        await self._drain()
        self._loop.remove_reader(self.worker.wakeup.fd)

    def _on_signal(self) -> None:
        self.worker.wakeup.clear()
        if not self.worker.alive:
            self._stopping.set()

    def _tick(self) -> None:
        self._loop.call_later(TICK, self._tick)
        self.worker.notify()
        self.worker.slot.set_connections(len(self._server.connections))
        if not self.worker.alive:
            # The master is gone, or something has replaced the signal wake-up descriptor.
            self._stopping.set()
        elif not self._stopping.is_set():
            self._resume()

    def _resume(self) -> None:
        for acceptor in self._acceptors.values():
            acceptor.resume()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.worker.log.error("%s", context["message"], exc_info=error)

    # -- the end -------------------------------------------------------------------------

    async def _drain(self) -> None:
        """Stop accepting, finish the requests that have begun, and shut the application down."""
        # The master kills when the time is up, and the application must have ended before that.
        margin = min(2.0, self.cfg.graceful_timeout / 4)
        deadline = self._loop.time() + self.cfg.graceful_timeout - margin
        for acceptor in self._acceptors.values():
            acceptor.stop()
        close_listeners(self.worker, lambda listener: self._acceptors[listener].take_backlog())
        # The application first, so that handlers that never end by themselves can be told to.
        ending = [self._loop.create_task(self._shut_down())]
        ending += [self._loop.create_task(self._close(one)) for one in self._observer.websockets]
        await self._await_connections(deadline)
        await asyncio.wait(ending, timeout=max(0.0, deadline - self._loop.time()))
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        await self._server.shutdown(margin / 4)
        await self._clean_up()

    async def _await_connections(self, deadline: float) -> None:
        """Wait until every connection has ended, except those that send nothing."""
        patience = self._loop.time() + DRAIN_GRACE
        while self._acceptors_busy() or self._server.connections:
            now = self._loop.time()
            if now >= deadline:
                return
            if now >= patience:
                self._observer.close_idle(self._server)
            await asyncio.sleep(PAUSE)

    def _acceptors_busy(self) -> bool:
        return any(acceptor.busy for acceptor in self._acceptors.values())

    async def _shut_down(self) -> None:
        try:
            await self._app.shutdown()
        except Exception:
            # Broad, because the rest must be shut down whatever the application raises.
            self.worker.log.exception("Error in on_shutdown of the application")

    async def _clean_up(self) -> None:
        try:
            await self._app.cleanup()
        except Exception:
            # See above.
            self.worker.log.exception("Error in on_cleanup of the application")

    async def _close(self, websocket: web.WebSocketResponse) -> None:
        try:
            await websocket.close(code=WSCloseCode.GOING_AWAY, message=b"server stops")
        except Exception as error:
            # Whatever goes wrong, the websocket ends now.
            self.worker.log.debug("Error closing a websocket: %s", error)
