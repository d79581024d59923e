"""The master as hook functions see it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from corn_core.arbiter.policy import Stopping
from corn_core.config import Config
from corn_core.extensions.drivers import name_of_worker
from corn_core.extensions.hints import no_attribute
from corn_core.interfaces import Hooks, Logger, WSGIApp
from corn_core.net import Listener
from corn_core.net.tls import Tls
from corn_core.worker.base import Worker


class LoadedConfig(NamedTuple):
    """One configuration, with everything that its names stand for.

    :param load_app: loads the application; raises ``AppLoadError`` when that fails.
    :param tls: where workers get their TLS context from; None for plain HTTP.
    :param activate: applies the configuration to the process: its directory, its variables,
        its hook functions. It has been called once already; the master calls it again when a
        reload has failed and an older configuration takes over.
    """

    config: Config
    log: Logger
    worker_class: type[Worker]
    load_app: Callable[[], WSGIApp]
    activate: Callable[[], object] = lambda: None
    tls: Tls | None = None

    @property
    def worker_name(self) -> str:
        """The name by which the worker class is installed, see :func:`name_of_worker`."""
        return name_of_worker(self.config.worker_class, self.worker_class)


class WorkerForked(BaseException):
    """Raised in a new worker process, to leave the master's frames behind.

    Not an ``Exception``: a hook's or a library's broad ``except`` must not catch it.
    """

    def __init__(self, worker: Worker) -> None:
        super().__init__(worker)
        self.worker = worker


class ServerState:
    """The part of the master that is a contract with hook functions; see ``interfaces.Server``.

    A worker has a copy, which shows how things were when the worker was forked. ``LISTENERS`` and
    ``WORKERS`` are in capitals because hook functions written for Gunicorn use these names.

    :ivar pid: the master's process id.
    :ivar hooks: the hook implementations of all plugins.
    :ivar stopping: whether the server is stopping, and how; false as long as it is to stay.
    :ivar LISTENERS: the sockets of the configuration in force; none before the server listens.
    :ivar WORKERS: the workers that are alive, by process id.
    """

    def __init__(self, loaded: LoadedConfig, hooks: Hooks) -> None:
        self.pid = os.getpid()
        self.hooks = hooks
        self.stopping = Stopping.NO
        self.LISTENERS: list[Listener] = []
        self.WORKERS: dict[int, Worker] = {}
        self._loaded = loaded
        self._num_workers: int = loaded.config.workers

    @property
    def log(self) -> Logger:
        return self._loaded.log

    @property
    def cfg(self) -> Config:
        return self._loaded.config

    @property
    def num_workers(self) -> int:
        return self._num_workers

    @num_workers.setter
    def num_workers(self, number: int) -> None:
        """Keep so many from now on, as hook functions written for Gunicorn ask for it."""
        self.resize(number)

    @property
    def worker_class(self) -> type[Worker]:
        """The worker class in force."""
        return self._loaded.worker_class

    @property
    def worker_age(self) -> int:
        """The age of the youngest worker."""
        return max((worker.age for worker in self.WORKERS.values()), default=0)

    @property
    def worker_name(self) -> str:
        """The name of the worker class in force: gthread, also for sync with several threads."""
        return self._loaded.worker_name

    @property
    def timeout(self) -> float:
        timeout: float = self.cfg.timeout
        return timeout

    @property
    def proc_name(self) -> str:
        name: str = self.cfg.proc_name or self.cfg.default_proc_name
        return name

    @property
    def address(self) -> list[str]:
        return list(self.cfg.bind)

    if not TYPE_CHECKING:  # or mypy would not find a misspelt attribute any more

        def __getattr__(self, name: str) -> NoReturn:
            # Called only for attributes that do not exist.
            raise no_attribute("server", self, name)

    def adopt(self, loaded: LoadedConfig, listeners: list[Listener]) -> None:
        """Put a configuration in force."""
        self._loaded = loaded
        self.LISTENERS = listeners

    def resize(self, workers: int) -> None:
        """Change the number of workers to keep, and call ``nworkers_changed`` if it differs."""
        before, self._num_workers = self._num_workers, workers
        if workers != before:
            self.announce_size(before)

    def announce_size(self, before: int | None) -> None:
        """Call ``nworkers_changed``; ``before`` is None the first time."""
        self.hooks.call(
            "nworkers_changed", server=self, new_value=self._num_workers, old_value=before
        )
