"""The reload engine ``watchfiles``."""

from __future__ import annotations

from collections.abc import Iterator, Set
from threading import Event
from typing import Any

from watchfiles import watch

from corn_core.reloading.engines import PERIOD

SETTLING = 100
"""Milliseconds in which changes that follow one another count as one: a formatter's, say."""

STEP = 50
"""Milliseconds between two looks whether the worker is to end."""


class WatchfilesEngine:
    """Waits for what the system reports of the directories with watched files in them."""

    def __init__(self) -> None:
        self._directories: Set[str] = frozenset()
        self._reports: Iterator[Any] = iter(())

    def wait(self, directories: Set[str], stop: Event) -> None:
        """Return after the next report, or after ``PERIOD``.

        :raises Exception: the system has no watches left.
        """
        if not directories:
            stop.wait(PERIOD)
            return
        if directories != self._directories:
            self._directories = directories
            self._reports = watch(
                *directories,
                watch_filter=None,
                debounce=SETTLING,
                step=STEP,
                stop_event=stop,
                rust_timeout=int(PERIOD * 1000),
                yield_on_timeout=True,
                raise_interrupt=False,
                recursive=False,
                ignore_permission_denied=True,
            )
        if next(self._reports, None) is None:
            # It has ended, as it does when the worker is to end; the next time is another one.
            self._directories = frozenset()
            stop.wait(PERIOD)
