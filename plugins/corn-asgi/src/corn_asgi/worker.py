"""The asgi worker: serves ASGI applications in an event loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from corn_asgi.application import check_application
from corn_asgi.loops import check_loop
from corn_asgi.server import Server
from corn_core.plugin import WorkerQuit
from corn_core.typing import Config, WSGIApp
from corn_core.worker import Worker


class AsgiWorker(Worker):
    """Serves an ASGI 3 application: HTTP, WebSocket and lifespan."""

    # Requests wait for each other in one thread, and several are in the application at once.
    concurrent_slot = True
    capabilities = frozenset(
        {"asgi", "balance", "concurrency", "keepalive", "native", "turns", "websocket"}
    )
    ignored_settings: ClassVar[tuple[str, ...]] = (
        "limit_response_spool",
        "suppress_ragged_eofs",
        "threads",
        "tmp_upload_dir",
    )

    server_class: ClassVar[type[Server]] = Server

    _server: Server | None = None

    @classmethod
    def check_config(cls, config: Config) -> None:
        check_loop(config)

    @classmethod
    def check_app(cls, app: WSGIApp, config: Config) -> None:
        check_application(app, config)

    @classmethod
    def interface(cls, app: WSGIApp) -> str:
        return "asgi"

    def prepare(self) -> None:
        """Make the event loop, and start the application in it."""
        self._server = self.server_class(self)
        self._server.prepare()

    def run(self) -> None:
        assert self._server is not None
        self._server.run()

    def run_soon(self, act: Callable[[], None]) -> None:
        """Do what a signal asks for, and see to it that the loop ends if that is to leave."""
        try:
            act()
        except WorkerQuit as order:
            if self._server is not None:
                self._server.leave(order)
            raise

    def refuse_clients(self) -> None:
        """Also have the loop notice at once that the worker is to stop.

        A loop may take the descriptor that wakes it on signals for itself, as uvloop does.
        """
        super().refuse_clients()
        if self._server is not None:
            self._server.wake()
