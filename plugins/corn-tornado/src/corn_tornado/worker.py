"""The tornado worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, cast

from tornado import autoreload
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.ioloop import IOLoop
from tornado.platform.asyncio import BaseAsyncIOLoop
from tornado.wsgi import WSGIContainer

from corn_asyncio.driver import AsyncioDriver
from corn_asyncio.loop import new_event_loop
from corn_core.typing import Config, Logger, WSGIApp
from corn_core.worker import Worker, WorkerQuit, client_limits
from corn_tornado.applog import forward_to
from corn_tornado.native import NativeDriver

NATIVE = (HTTPServerConnectionDelegate, WSGIContainer)
"""The types that Tornado serves itself; ``tornado.web.Application`` is such a delegate."""

IGNORED_BY_NATIVE = (
    *("header_map", "forwarder_headers", "limit_response_spool", "sendfile", "tmp_upload_dir"),
)
"""Settings that concern only corn's own parser and responses."""


class TornadoWorker(Worker):
    """Serves a Tornado application with Tornado, and any other as WSGI, in one event loop.

    A WSGI application is called in the loop, one request at a time.
    """

    ignored_settings = ("threads",)
    capabilities = frozenset(
        {"balance", "keepalive", "native", "socket", "turns", "uploads", "websocket"}
    )

    _loop: ClassVar[asyncio.AbstractEventLoop | None] = None

    @classmethod
    def before_boot(cls, config: Config, log: Logger) -> None:
        if TornadoWorker._loop is not None:
            # This is the master's loop, which a preloaded application may have found. It never
            # ran. All workers share its selector, so this worker gets a loop of its own.
            TornadoWorker._loop.close()
        # Before the application is imported, so that code asking for the current loop gets the
        # one that will run.
        TornadoWorker._loop = new_event_loop()
        asyncio.set_event_loop(TornadoWorker._loop)
        autoreload.start = _no_autoreload(log)

    @classmethod
    def check_app(cls, app: WSGIApp, config: Config) -> None:
        if not isinstance(app, NATIVE):
            super().check_app(app, config)

    @classmethod
    def interface(cls, app: WSGIApp) -> str:
        return "tornado" if isinstance(app, NATIVE) else "wsgi"

    def prepare(self) -> None:
        # Tornado's handlers wait for each other's sake: several requests are in flight at once.
        self.concurrent_slot = isinstance(self.app, NATIVE)

    def ignored_by_app(self) -> tuple[str, ...]:
        return IGNORED_BY_NATIVE if isinstance(self.app, NATIVE) else ()

    def run(self) -> None:
        loop = cast(BaseAsyncIOLoop, IOLoop.current()).asyncio_loop
        forward_to(self.log)
        driver = self._driver()
        try:
            driver.run_in(loop)
            _finish_tasks(loop)
        except WorkerQuit:
            # Tasks are abandoned here on purpose, so complaints about that would be noise.
            loop.set_exception_handler(lambda loop, context: None)
            if isinstance(driver, NativeDriver) and not self.aborted:
                # After a timeout, the master writes the access log line.
                driver.request_finished()
            raise

    def _driver(self) -> AsyncioDriver:
        if not isinstance(self.app, NATIVE):
            return AsyncioDriver(self, client_limits(self.cfg, keepalive=self.cfg.keepalive))
        return NativeDriver(self, self.app)


def _no_autoreload(log: Logger) -> Callable[..., None]:
    """Make a replacement for ``tornado.autoreload.start``, which ``debug=True`` calls.

    The original would replace the worker's program by another server, behind the master's back.
    """

    def start(check_time: int = 500) -> None:
        log.warning("Tornado's autoreload stays off in a worker; the setting reload does the same")

    return start


def _finish_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel the application's background tasks, and wait for them to end."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
