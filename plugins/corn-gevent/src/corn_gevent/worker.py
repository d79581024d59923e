"""The gevent worker: a greenlet for each connection, in a monkey-patched process."""

from __future__ import annotations

import os
from collections.abc import Callable

import gevent
from gevent.hub import get_hub

from corn_core.interfaces import Logger
from corn_core.serving.settings import terms_of
from corn_core.serving.stream import StreamDriver
from corn_core.settings.config import Config
from corn_core.worker import Worker
from corn_gevent.hub import GeventScheduler
from corn_gevent.patching import patch_master, patch_worker


class GeventWorker(Worker):
    """Serves many connections at once, in one thread.

    Everything of the standard library that would block is replaced by what lets other greenlets
    run meanwhile, before the application is imported.
    """

    multithread = True
    ignored_settings = ("threads", "limit_response_spool")
    capabilities = frozenset({"balance", "keepalive", "concurrency", "long-requests", "turns"})

    _preloader = 0
    """The process that has asked for patching first, when that was a master's."""

    _driver: StreamDriver | None = None

    @classmethod
    def before_boot(cls, config: Config, log: Logger) -> None:
        """Patch the process; a master that preloads the application calls it first."""
        if config.preload_app and GeventWorker._preloader in (0, os.getpid()):
            GeventWorker._preloader = os.getpid()
            patch_master()
        else:
            patch_worker()

    def run(self) -> None:
        self.cycle.interrupts = (*self.cycle.interrupts, gevent.GreenletExit)
        terms = terms_of(self.cfg, self.cfg.keepalive)
        self._driver = StreamDriver(self, terms, GeventScheduler())
        self._driver.run()

    def obey(self, act: Callable[[], None]) -> None:
        """Do what a signal asks for: never in the hub, where nothing may wait."""
        if gevent.getcurrent() is not get_hub():
            act()
        elif self._driver is not None:
            self._driver.obey(act)
        else:
            # The application waits for something while it is being imported.
            gevent.spawn(act)
