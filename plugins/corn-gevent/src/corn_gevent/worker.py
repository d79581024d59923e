"""The gevent worker: a greenlet for each connection, in a monkey-patched process."""

from __future__ import annotations

import os
from collections.abc import Callable

import gevent
from gevent.hub import get_hub

from corn_core.typing import Config, Logger
from corn_core.worker import Worker, client_limits
from corn_gevent.hub import GeventScheduler
from corn_gevent.patching import patch_master, patch_worker
from corn_greenlets.driver import GreenletDriver


class GeventWorker(Worker):
    """Serves many connections at once, in one thread.

    Before the application is imported, everything in the standard library that would block is
    replaced by versions that let other greenlets run.
    """

    multithread = True
    interrupts = (*Worker.interrupts, gevent.GreenletExit)
    ignored_settings = ("threads", "limit_response_spool")
    capabilities = frozenset(
        {"balance", "concurrency", "keepalive", "long-requests", "socket", "turns"}
    )

    _preloader = 0
    """The process id of the master, if that was the first to ask for patching."""

    _driver: GreenletDriver | None = None

    @classmethod
    def before_boot(cls, config: Config, log: Logger) -> None:
        """Patch the process; called in the master first if that preloads the application."""
        if config.preload_app and GeventWorker._preloader in (0, os.getpid()):
            GeventWorker._preloader = os.getpid()
            patch_master()
        else:
            patch_worker()

    def run(self) -> None:
        limits = client_limits(self.cfg, self.cfg.keepalive)
        self._driver = GreenletDriver(self, limits, GeventScheduler())
        self._driver.run()

    def run_soon(self, act: Callable[[], None]) -> None:
        """Do what a signal asks for, but never in the hub, where nothing may wait."""
        if gevent.getcurrent() is not get_hub():
            act()
        elif self._driver is not None:
            self._driver.run_soon(act)
        else:
            # The application is waiting for something while it is being imported.
            gevent.spawn(act)
