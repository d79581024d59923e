"""The aiohttp worker: aiohttp applications by aiohttp's own server, WSGI ones in threads."""

from __future__ import annotations

from corn_aiohttp.application import is_native
from corn_aiohttp.native import NativeServer
from corn_core.serving.pooled import PooledDriver
from corn_core.serving.settings import terms_of
from corn_core.worker import Worker

DEFAULT_THREADS = 8
"""The size of the pool when ``threads`` is not set. Whoever chooses this worker for a WSGI
application wants requests that wait to hold up no others, so that one thread would be too few; and
threads cost nothing until they are needed."""


class AiohttpWorker(Worker):
    """Serves an ``aiohttp.web.Application`` in an event loop, or a WSGI application in threads.

    The application decides which: an Application, or a function or coroutine function without
    parameters that gives one, is served by aiohttp's own server.
    """

    multithread = True
    capabilities = frozenset(
        {"balance", "concurrency", "keepalive", "long-requests", "native", "turns", "websocket"}
    )

    _server: NativeServer | None = None

    def prepare(self) -> None:
        """Make and start an application of aiohttp's; a WSGI application needs nothing."""
        if is_native(self.app):
            self._server = NativeServer(self)
            self._server.start()
        else:
            super().prepare()

    def run(self) -> None:
        if self._server is not None:
            self._server.run()
            return
        given = self.cfg.origin("threads").kind != "default"
        threads = self.cfg.threads if given else DEFAULT_THREADS
        PooledDriver(self, terms_of(self.cfg, self.cfg.keepalive), threads).run()
