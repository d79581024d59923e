"""The aiohttp worker: serves aiohttp applications natively, and WSGI applications in threads."""

from __future__ import annotations

from corn_aiohttp.application import is_native
from corn_aiohttp.native import IGNORED, NativeServer
from corn_asyncio.threaded import ThreadPoolDriver
from corn_core.typing import Config, WSGIApp
from corn_core.worker import Worker, client_limits, refuse_asgi

DEFAULT_THREADS = 8
"""The size of the pool when ``threads`` is not set. A user who chooses this worker for a WSGI
application does not want waiting requests to delay others, so one thread would be too few; and
threads cost nothing until they are needed."""


class AiohttpWorker(Worker):
    """Serves an ``aiohttp.web.Application`` in an event loop, or a WSGI application in threads.

    The application decides which: an Application, or a function or coroutine function without
    parameters that returns one, is served by aiohttp's own server.
    """

    multithread = True
    capabilities = frozenset(
        {
            *("balance", "concurrency", "keepalive", "long-requests", "native", "socket"),
            *("turns", "uploads", "websocket"),
        }
    )

    _server: NativeServer | None = None

    @classmethod
    def check_app(cls, app: WSGIApp, config: Config) -> None:
        refuse_asgi(app, config)
        if not is_native(app):
            super().check_app(app, config)

    @classmethod
    def interface(cls, app: WSGIApp) -> str:
        return "aiohttp" if is_native(app) else "wsgi"

    def prepare(self) -> None:
        """Make and start an aiohttp application; a WSGI application needs nothing."""
        if is_native(self.app):
            self._server = NativeServer(self)
            self._server.start()

    def ignored_by_app(self) -> tuple[str, ...]:
        return () if self._server is None else IGNORED

    def run(self) -> None:
        if self._server is not None:
            self._server.run()
            return
        threads = self.cfg.threads if self.cfg.given("threads") else DEFAULT_THREADS
        ThreadPoolDriver(self, client_limits(self.cfg, self.cfg.keepalive), threads).run()
