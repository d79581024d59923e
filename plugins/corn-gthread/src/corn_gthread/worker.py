"""The gthread worker: many connections, and several requests at a time."""

from __future__ import annotations

from corn_core.worker import Worker, client_limits
from corn_gthread.driver import ThreadedDriver


class ThreadWorker(Worker):
    """Answers fast requests in the thread that polls, and slow ones in others.

    The main thread runs signal handlers and watches the others; see ``corn_gthread.driver``.
    """

    multithread = True
    # What stops a worker is raised in the main thread. In the others these exceptions are the
    # application's own, and are answered for like any failure of it.
    interrupts = ()
    capabilities = frozenset(
        {"balance", "concurrency", "keepalive", "long-requests", "socket", "turns", "uploads"}
    )

    def run(self) -> None:
        ThreadedDriver(self, client_limits(self.cfg, self.cfg.keepalive), self.cfg.threads).run()
