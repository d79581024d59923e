"""The sync worker: one request at a time, in the main thread."""

from __future__ import annotations

from corn_core.plugin import ConfigError
from corn_core.typing import Config
from corn_core.worker import SelectorDriver, Worker, client_limits


class SyncWorker(Worker):
    """Answers one request, closes its connection, and goes on with the next.

    It reads requests and writes responses without waiting for any client; only the application
    can block it. So a slow call of the application delays all other requests, but a slow client
    delays none.
    """

    capabilities = frozenset({"socket", "turns"})
    ignored_settings = ("keepalive",)

    @classmethod
    def check_config(cls, config: Config) -> None:
        # If corn-gthread were installed, it would have been chosen for this configuration.
        if config.threads > 1:
            raise ConfigError(
                f"threads = {config.threads} ({config.origin('threads')}) needs the worker class"
                " gthread; pip install corn-gthread"
            )

    def run(self) -> None:
        SelectorDriver(self, client_limits(self.cfg, keepalive=0)).run()
