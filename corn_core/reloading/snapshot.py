"""What the watched files looked like when they were last looked at."""

from __future__ import annotations

import os
from time import monotonic, time

ABSENCE = 0.5
"""Seconds after which a file that is not there any more has been removed. Many editors save by
moving the old file away and then writing the new one."""

Look = tuple[int, int] | None
"""Modification time in nanoseconds, and size; None for no such file."""


def look(path: str) -> Look:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class Snapshot:
    """Compares files with what they were before.

    A change is told once: afterwards the file is compared with what it has become.
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
        """Watch a file from now on; whether it has been saved already since a moment.

        :param since: seconds since the epoch; None when it does not matter.
        """
        self._looks[path] = now = look(path)
        # A file from the future would have been saved since any moment, again and again.
        return now is not None and since is not None and since <= now[0] / 1e9 <= time()

    def changed(self, path: str) -> bool:
        """Whether a watched file has been saved, made or removed since the last look."""
        now = look(path)
        vanished = now is None and self._looks[path] is not None
        if vanished and monotonic() - self._gone.setdefault(path, monotonic()) < ABSENCE:
            return False
        self._gone.pop(path, None)
        before, self._looks[path] = self._looks[path], now
        return now != before
