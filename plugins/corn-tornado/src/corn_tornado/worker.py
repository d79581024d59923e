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

from corn_core.errors import WorkerQuit
from corn_core.interfaces import Logger
from corn_core.serving.protocol import ProtocolDriver
from corn_core.serving.settings import terms_of
from corn_core.settings.config import Config
from corn_core.worker import Worker
from corn_tornado.applog import forward_to
from corn_tornado.native import NativeDriver

NATIVE = (HTTPServerConnectionDelegate, WSGIContainer)
"""What Tornado serves itself; ``tornado.web.Application`` is such a delegate."""

IGNORED_BY_NATIVE = (
    *("header_map", "forwarder_headers", "limit_response_spool", "sendfile", "tmp_upload_dir"),
)
"""Settings of the server's own parser and responses."""


class TornadoWorker(Worker):
    """Serves a Tornado application with Tornado, and any other as WSGI, in one event loop.

    A WSGI application is called in the loop, one request at a time.
    """

    ignored_settings = ("threads",)
    capabilities = frozenset({"balance", "keepalive", "websocket", "native", "turns"})

    _loop: ClassVar[asyncio.AbstractEventLoop | None] = None

    @classmethod
    def before_boot(cls, config: Config, log: Logger) -> None:
        if TornadoWorker._loop is not None:
            # The master's, which a preloaded application may have found. It never ran; what it
            # waits with is shared by all workers, and this one gets its own.
            TornadoWorker._loop.close()
        # Before the application is imported: code that asks for the current loop gets the one
        # that will run.
        TornadoWorker._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(TornadoWorker._loop)
        autoreload.start = _no_autoreload(log)

    def run(self) -> None:
        loop = cast(BaseAsyncIOLoop, IOLoop.current()).asyncio_loop
        forward_to(self.log)
        driver = self._driver()
        try:
            driver.run_in(loop)
            _finish_tasks(loop)
        except WorkerQuit:
            # What was going on has no end any more; that is no news to anybody.
            loop.set_exception_handler(lambda loop, context: None)
            if isinstance(driver, NativeDriver) and not self.aborted:
                # After a timeout it is the master that writes the access line.
                driver.conclude()
            raise

    def _driver(self) -> ProtocolDriver:
        if not isinstance(self.app, NATIVE):
            return ProtocolDriver(self, terms_of(self.cfg, keepalive=self.cfg.keepalive))
        for name in IGNORED_BY_NATIVE:
            origin = self.cfg.origin(name)
            if origin.kind != "default":
                self.log.warning("%s has no effect on a Tornado application (%s)", name, origin)
        # Handlers wait for each other's sake: several requests are in flight at once.
        self.slot = self.slot.shared()
        return NativeDriver(self, self.app)


def _no_autoreload(log: Logger) -> Callable[..., None]:
    """What takes the place of ``tornado.autoreload.start``, which ``debug=True`` calls.

    It would replace the worker's program by another server, under the master's eyes.
    """

    def start(check_time: int = 500) -> None:
        log.warning("Tornado's autoreload stays off in a worker; the setting reload does the same")

    return start


def _finish_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """End what the application has running in the background."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=1.0))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()
