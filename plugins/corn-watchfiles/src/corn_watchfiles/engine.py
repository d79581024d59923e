"""The reload engine ``watchfiles``."""

from __future__ import annotations

from collections.abc import Iterator, Set
from threading import Event
from typing import Any

from watchfiles import watch

from corn_core.plugin import RELOAD_PERIOD

SETTLING = 100
"""Milliseconds within which successive changes, such as a formatter's, count as one."""

STEP = 50
"""Milliseconds between two checks for whether the worker should stop."""


class WatchfilesEngine:
    """Waits for the system to report changes in the directories with watched files."""

    def __init__(self) -> None:
        self._directories: Set[str] = frozenset()
        self._reports: Iterator[Any] = iter(())

    def wait(self, directories: Set[str], stop: Event) -> None:
        """Return after the next report, or after ``PERIOD``.

        :raises Exception: when the system has no watches left.
        """
        if not directories:
            stop.wait(RELOAD_PERIOD)
            return
        if directories != self._directories:
            self._directories = directories
            self._reports = watch(
                *directories,
                watch_filter=None,
                debounce=SETTLING,
                step=STEP,
                stop_event=stop,
                rust_timeout=int(RELOAD_PERIOD * 1000),
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
                ignore_permission_denied=True,
            )
        if next(self._reports, None) is None:
            # The watch has ended, as it does when the worker stops; the next call starts another.
            self._directories = frozenset()
            stop.wait(RELOAD_PERIOD)
