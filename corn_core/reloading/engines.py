"""Engines, which tell a worker when to look for changes.

An engine is a class in the entry-point group ``corn.reloaders``, instantiated without arguments,
with the one method of ``interfaces.ReloadEngine``. It does not say what has changed: whatever the
engine, the reloader finds that out by comparing the files.
"""

from __future__ import annotations

from collections.abc import Set
from threading import Event

PERIOD = 1.0
"""Seconds after which a worker looks again even if its engine was not told of any change."""


class PollEngine:
    """The engine ``poll``: looks once a second, which works on every kind of file system."""

    def wait(self, directories: Set[str], stop: Event) -> None:
        stop.wait(PERIOD)
