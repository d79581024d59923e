"""What a driver asks of the worker that runs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from corn_core.interfaces import Logger, Slot
from corn_core.net import Listener
from corn_core.settings.config import Config
from corn_core.wsgi import RequestCycle


class Wakeup(Protocol):
    """A descriptor that is readable after a signal."""

    fd: int

    def clear(self) -> None: ...


class Host(Protocol):
    """A worker, as its driver sees it; ``corn_core.worker.Worker`` is one."""

    alive: bool
    cfg: Config
    cycle: RequestCycle
    listeners: Sequence[Listener]
    log: Logger
    slot: Slot

    @property
    def wakeup(self) -> Wakeup: ...
    def notify(self) -> None: ...
    def request_done(self) -> None: ...
