"""The master as hook functions see it."""

from __future__ import annotations

from corn_core.arbiter.wiring import Wiring
from corn_core.interfaces import Hooks, Logger
from corn_core.net import Listener
from corn_core.settings.config import Config
from corn_core.worker import Worker


class ServerView:
    """What is part of the contract with hook functions, and how the master changes it.

    In a worker it shows how things were when that was forked. ``LISTENERS`` and ``WORKERS`` have
    the names, in capitals, by which hook functions that were written for Gunicorn know them.

    :ivar pid: the master's process id.
    :ivar hooks: the hook implementations of all plugins.
    :ivar LISTENERS: the sockets of the configuration in force; none before the server listens.
    :ivar WORKERS: the workers that are alive, by process id.
    """

    def __init__(self, wiring: Wiring, hooks: Hooks) -> None:
        self.pid = 0
        self.hooks = hooks
        self.LISTENERS: list[Listener] = []
        self.WORKERS: dict[int, Worker] = {}
        self._wiring = wiring
        self._num_workers: int = wiring.config.workers

    @property
    def log(self) -> Logger:
        """The logger in force."""
        return self._wiring.log

    @property
    def cfg(self) -> Config:
        """The configuration in force."""
        return self._wiring.config

    @property
    def num_workers(self) -> int:
        """The workers to keep; TTIN, TTOU and a reload change it."""
        return self._num_workers

    @property
    def worker_name(self) -> str:
        """The name of the worker class in force: gthread, also for sync with several threads."""
        return self._wiring.worker_name

    @property
    def timeout(self) -> float:
        """The seconds that a worker may be silent."""
        timeout: float = self.cfg.timeout
        return timeout

    @property
    def proc_name(self) -> str:
        """The name that process titles show."""
        name: str = self.cfg.proc_name or self.cfg.default_proc_name
        return name

    @property
    def address(self) -> list[str]:
        """The addresses that the configuration names."""
        return list(self.cfg.bind)

    def adopt(self, wiring: Wiring, listeners: list[Listener]) -> None:
        """Put a configuration in force."""
        self._wiring = wiring
        self.LISTENERS = listeners

    def resize(self, workers: int) -> None:
        """Change the number of workers to keep, and tell whoever wants to know."""
        before, self._num_workers = self._num_workers, workers
        if workers != before:
            self.announce_size(before)

    def announce_size(self, before: int | None) -> None:
        """Call ``nworkers_changed``; ``before`` is None the first time."""
        self.hooks.call(
            "nworkers_changed", server=self, new_value=self._num_workers, old_value=before
        )
