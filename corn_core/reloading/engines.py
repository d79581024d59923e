"""Engines, which tell a worker when to look for changes.

An engine is a class in the entry-point group ``corn.reloaders``, instantiated without arguments,
with the one method of :class:`Engine`. It does not say what has changed: whatever the engine, the
reloader finds that out by comparing the files.
"""

from __future__ import annotations

from collections.abc import Set
from threading import Event
from typing import Protocol

PERIOD = 1.0
"""Seconds after which a worker looks again even if its engine was not told of any change."""


class Engine(Protocol):
    """Waits for changes; used by one thread, which is not the worker's main thread."""

    def wait(self, directories: Set[str], stop: Event) -> None:
        """Return when something may have changed, after ``PERIOD``, or when ``stop`` is set.

        :param directories: the directories that directly contain watched files; they exist, or
            did a moment ago.
        :raises Exception: when it cannot wait; the worker then polls.
        """


class PollEngine:
    """The engine ``poll``: looks once a second, which works on every kind of file system."""

    def wait(self, directories: Set[str], stop: Event) -> None:
        stop.wait(PERIOD)
