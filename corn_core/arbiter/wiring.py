"""What the master is given to run with, and may be given anew at a reload."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from corn_core.extensions.drivers import name_of_worker
from corn_core.interfaces import Logger, WSGIApp
from corn_core.net.tls import Tls
from corn_core.settings.config import Config
from corn_core.worker import Worker


def _nothing() -> None:
    """The default of ``activate``."""


class Wiring(NamedTuple):
    """One configuration, with everything that its names stand for.

    :param load_app: loads the application; ``AppLoadError`` when that fails.
    :param tls: where workers get their TLS context from; None for plain HTTP.
    :param activate: lets the configuration act on the process: its directory, its variables,
        its hook functions. The wiring comes activated; the master calls it when a reload
        has failed and an older wiring takes over again.
    """

    config: Config
    log: Logger
    worker_class: type[Worker]
    load_app: Callable[[], WSGIApp]
    activate: Callable[[], object] = _nothing
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
