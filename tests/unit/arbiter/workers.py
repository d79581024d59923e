"""Workers as the master's record has them, for tables of cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from corn_core.arbiter.roster import Reason, Roster, TimeLimits, WorkerHandle

NOW = 1000.0
LIMITS = TimeLimits(boot=120.0, silence=30.0, graceful=20.0)

Change = Callable[[WorkerHandle], object]


def booting(handle: WorkerHandle) -> None:
    """Forked a moment ago."""


def ready(handle: WorkerHandle) -> None:
    handle.become_ready(NOW)


def worn(handle: WorkerHandle) -> None:
    handle.become_ready(NOW)
    handle.recycle("memory")


def failed(handle: WorkerHandle) -> None:
    handle.fail(NOW)


def leaving(reason: Reason) -> Change:
    def change(handle: WorkerHandle) -> None:
        handle.become_ready(NOW)
        handle.retire(reason, NOW)

    return change


def in_generation(generation: int, change: Change) -> Change:
    def changed(handle: WorkerHandle) -> None:
        change(handle)
        handle.generation = generation

    return changed


def roster_of(changes: Iterable[Change]) -> Roster:
    """Workers with the process ids 1, 2, 3 ..., the oldest first, of generation 2."""
    roster = Roster()
    for pid, change in enumerate(changes, start=1):
        handle = WorkerHandle(pid, pid, 2, pid, NOW, LIMITS)
        change(handle)
        roster.add(handle)
    return roster
