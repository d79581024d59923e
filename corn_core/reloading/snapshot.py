"""Remembers the state of the watched files, to find out which have changed."""

from __future__ import annotations

import os
from time import monotonic, time

ABSENCE = 0.5
"""Seconds after which a missing file counts as removed. Many editors save by moving the old file
away and then writing the new one."""

Look = tuple[int, int] | None
"""Modification time in nanoseconds, and size; None if there is no such file."""


def look(path: str) -> Look:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class Snapshot:
    """Compares files with their previous state.

    A change is reported once; after that, the file is compared with its new state.
    """

    def __init__(self) -> None:
        self._looks: dict[str, Look] = {}
        self._gone: dict[str, float] = {}

    def __contains__(self, path: str) -> bool:
        return path in self._looks

    @property
    def paths(self) -> set[str]:
        return set(self._looks)

    def add(self, path: str, since: float | None = None) -> bool:
        """Watch a file from now on; returns whether it was saved after ``since``.

        :param since: seconds since the epoch; None when it does not matter.
        """
        self._looks[path] = now = look(path)
        # A file dated in the future would count as just saved, again and again.
        return now is not None and since is not None and since <= now[0] / 1e9 <= time()

    def changed(self, path: str) -> bool:
        """Tell whether a watched file was saved, created or removed since the last check."""
        now = look(path)
        vanished = now is None and self._looks[path] is not None
        if vanished and monotonic() - self._gone.setdefault(path, monotonic()) < ABSENCE:
            return False
        self._gone.pop(path, None)
        before, self._looks[path] = self._looks[path], now
        return now != before
