"""The eventlet worker: a green thread for each connection, in a monkey-patched process.

Nothing from eventlet is imported at the top, so that the worker class can report what is wrong
where eventlet does not work.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import ClassVar

from corn_core.typing import Config, Logger
from corn_core.worker import Worker, client_limits, held_back
from corn_eventlet.library import check_eventlet, import_eventlet
from corn_greenlets.driver import GreenletDriver


class EventletWorker(Worker):
    """Serves many connections at once, in one thread.

    Before the application is imported, everything that would block is replaced by versions that
    let other green threads run: sockets, locks, sleeping and so on, but not the module ``os``.
    """

    multithread = True
    socket_names = (*Worker.socket_names, "eventlet.input")
    ignored_settings = ("threads", "limit_response_spool")
    capabilities = frozenset(
        {"balance", "concurrency", "keepalive", "long-requests", "socket", "turns"}
    )

    _driver: GreenletDriver | None = None
    _hub: ClassVar[ModuleType | None] = None

    @classmethod
    def check_config(cls, config: Config) -> None:
        """Refuse a Python on which eventlet does not work."""
        check_eventlet()

    @classmethod
    def before_boot(cls, config: Config, log: Logger) -> None:
        """Patch the process, and the master too if that preloads the application."""
        eventlet = import_eventlet()
        # A hub made in the master, perhaps by a preloaded application, has an epoll object that
        # all workers would share.
        eventlet.hubs.use_hub()
        # eventlet only reports what is raised meanwhile, and goes on; so signals are held back.
        with held_back():
            # A master forks and waits for its children itself.
            eventlet.monkey_patch(os=False)
        # Only now, and not first in a signal's handler, which may come while it is imported.
        from corn_eventlet import hub  # lazy: see above

        cls._hub = hub

    def prepare(self) -> None:
        from greenlet import GreenletExit  # lazy: see above

        self.interrupts = (*self.interrupts, GreenletExit)

    def run(self) -> None:
        from corn_eventlet.hub import EventletScheduler  # lazy: see above

        limits = client_limits(self.cfg, self.cfg.keepalive)
        self._driver = GreenletDriver(self, limits, EventletScheduler())
        self._driver.run()

    def run_soon(self, act: Callable[[], None]) -> None:
        """Do what a signal asks for, but never in the hub, where nothing may wait."""
        if self._hub is None or not self._hub.in_hub():
            act()
        elif self._driver is not None:
            self._driver.run_soon(act)
        else:
            # The application is waiting for something while it is being imported.
            self._hub.EventletScheduler().spawn(act)
