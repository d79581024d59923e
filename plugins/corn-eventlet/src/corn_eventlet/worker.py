"""The eventlet worker: a green thread for each connection, in a monkey-patched process.

Nothing of eventlet is imported at the top, so that the worker class can say what is wrong where
eventlet does not work.
"""

from __future__ import annotations

from collections.abc import Callable

from corn_core.interfaces import Logger
from corn_core.serving.settings import terms_of
from corn_core.serving.stream import StreamDriver
from corn_core.settings.config import Config
from corn_core.worker import Worker
from corn_core.worker.signals import held_back
from corn_eventlet.library import check_eventlet, import_eventlet


class EventletWorker(Worker):
    """Serves many connections at once, in one thread.

    What would block is replaced by what lets other green threads run meanwhile, before the
    application is imported: sockets, locks, sleeping and so on, but not the module ``os``.
    """

    multithread = True
    ignored_settings = ("threads", "limit_response_spool")
    capabilities = frozenset({"balance", "keepalive", "concurrency", "long-requests", "turns"})

    _driver: StreamDriver | None = None

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Refuse a Python on which eventlet does not work."""
        check_eventlet()

    @classmethod
    def before_boot(cls, config: Config, log: Logger) -> None:
        """Patch the process; a master that preloads the application too."""
        eventlet = import_eventlet()
        # A hub that the master has made, for an application that it preloads perhaps, waits in
        # an epoll which all its workers would share.
        eventlet.hubs.use_hub()
        # It reports whatever is raised meanwhile, and goes on.
        with held_back():
            # A master forks and waits for its children by itself.
            eventlet.monkey_patch(os=False)

    def run(self) -> None:
        # lazy: see above
        from greenlet import GreenletExit

        from corn_eventlet.hub import EventletScheduler  # lazy: see above

        self.cycle.interrupts = (*self.cycle.interrupts, GreenletExit)
        terms = terms_of(self.cfg, self.cfg.keepalive)
        self._driver = StreamDriver(self, terms, EventletScheduler())
        self._driver.run()

    def obey(self, act: Callable[[], None]) -> None:
        """Do what a signal asks for: never in the hub, where nothing may wait."""
        # lazy: see above
        from corn_eventlet.hub import EventletScheduler, in_hub

        if not in_hub():
            act()
        elif self._driver is not None:
            self._driver.obey(act)
        else:
            # The application waits for something while it is being imported.
            EventletScheduler().spawn(act)
