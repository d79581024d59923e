"""Engines: what tells a worker when to look for changes.

An engine is a class of the entry-point group ``corn.reloaders``, made without arguments, with
the one method of :class:`Engine`. It does not say what has changed: whichever it is, the same
comparison decides that.
"""

from __future__ import annotations

from collections.abc import Set
from threading import Event
from typing import Protocol

PERIOD = 1.0
"""Seconds after which a worker looks again, whatever its engine has been told."""


class Engine(Protocol):
    """Waits for changes; used by one thread, which is not the worker's main thread."""

    def wait(self, directories: Set[str], stop: Event) -> None:
        """Return when something may have changed, after ``PERIOD``, or when ``stop`` is set.

        :param directories: those that have watched files in them, not counting the ones below
            them; they exist, or did a moment ago.
        :raises Exception: when it cannot wait; the worker then polls.
        """


class PollEngine:
    """The engine ``poll``: to look once a second, which works on every kind of file system."""

    def wait(self, directories: Set[str], stop: Event) -> None:
        stop.wait(PERIOD)
