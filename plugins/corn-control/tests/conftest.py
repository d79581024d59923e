"""The loop of a master for tests in process, which turns it by hand."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from types import SimpleNamespace
from typing import Any, cast

import pytest

from corn_core.extensions.manager import Plugins
from corn_core.interfaces import HasFileno, Server, WorkerSnapshot

LOG = logging.getLogger("tests.control")


class Loop:
    """The master as the service needs it, without workers and over a selector of its own."""

    def __init__(self, control: str | None = None) -> None:
        self.pid = os.getpid()
        self.cfg = SimpleNamespace(control=control, dashboard=None)
        self.log = LOG
        self.plugins = Plugins()
        self.hooks = self.plugins.hooks
        self.predecessor = self.successor = self.stopping = 0
        self.generation = self.num_workers = 1
        self.WORKERS: dict[int, Any] = {}
        self.workers: Sequence[WorkerSnapshot] = ()
        self.selector = DefaultSelector()
        self.server = cast("Server", self)

    def snapshot(self) -> tuple[WorkerSnapshot, ...]:
        return tuple(self.workers)

    def resize(self, workers: int) -> None:
        self.num_workers = workers

    def watch(
        self, file: int | HasFileno, callback: Callable[[], object], writable: bool = False
    ) -> None:
        self.selector.register(file, EVENT_WRITE if writable else EVENT_READ, callback)

    def unwatch(self, file: int | HasFileno) -> None:
        self.selector.unregister(file)

    def turn(self) -> int:
        """Do what can be done without waiting; returns how much that was."""
        events = self.selector.select(0)
        for key, _ in events:
            key.data()
        return len(events)

    def settle(self) -> None:
        """Go on until there is nothing to do."""
        for _ in range(1000):
            if not self.turn():
                return
        raise AssertionError("the loop does not come to rest")

    def close(self) -> None:
        self.selector.close()


@pytest.fixture
def make_loop() -> Iterator[Callable[..., Loop]]:
    """A function that makes loops, which are closed with the test."""
    made: list[Loop] = []

    def make(control: str | None = None) -> Loop:
        made.append(Loop(control))
        return made[-1]

    yield make
    for loop in made:
        loop.close()
