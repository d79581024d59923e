"""The master's record of its workers: pure data, without processes or a clock.

All times are seconds of one monotonic clock, which the caller reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import NamedTuple

LIVING = 2.0
"""Seconds after a boot within which a crash is a failure, if the worker has served nothing."""

BACKOFF_CAP = 30.0
"""The most seconds that the next attempt is put off, however often the last ones failed."""

DOWN_CAP = 1.0
"""The same while no worker is up: one is tried after that, because the service is down."""


class Reason(Enum):
    """Why a worker was told to exit."""

    RECYCLE = "it is worn"
    RELOAD = "its configuration has been replaced"
    SURPLUS = "fewer workers are wanted"
    STOP = "the server stops"


class TimeLimits(NamedTuple):
    """The time limits of the configuration a worker was forked with; 0 means no limit.

    They stay with the worker: a reload that sets a shorter limit must not kill the
    requests that began under a longer one.
    """

    boot: float = 120.0
    silence: float = 30.0
    graceful: float = 30.0


@dataclass(slots=True, eq=False)
class WorkerHandle:
    """The master's record of one worker process.

    :ivar age: its number among all workers ever forked; the oldest has the lowest.
    :ivar generation: the number of the configuration it belongs to.
    :ivar slot: its index in the scoreboard.
    :ivar boot_since: when its time to boot began.
    :ivar heartbeat: when it was last known to be alive.
    :ivar wear: why it is to be recycled, such as requests, memory or lifetime; empty if it is not.
    :ivar deadline: when it is killed if it is still there; infinity unless it is retiring.
    :ivar signalled: the signal that an operator has had sent to it last; 0 for none.
    :ivar failed: it has reported that it cannot boot, and is about to exit.
    :ivar code_changed: it has reported that its code is not the latest, and the master has not
        acted on that yet.
    """

    pid: int
    age: int
    generation: int
    slot: int
    spawned_at: float
    limits: TimeLimits
    boot_since: float = field(init=False)
    heartbeat: float = field(init=False)
    ready_at: float | None = None
    wear: str = ""
    code_changed: bool = False
    failed: bool = False
    retiring_since: float | None = None
    reason: Reason | None = None
    deadline: float = inf
    quit_at: float | None = None
    dumped_at: float | None = None
    aborted_at: float | None = None
    killed_at: float | None = None
    signalled: int = 0

    def __post_init__(self) -> None:
        self.boot_since = self.heartbeat = self.spawned_at

    # -- questions -------------------------------------------------------------------

    @property
    def retiring(self) -> bool:
        return self.retiring_since is not None

    @property
    def leaving(self) -> bool:
        """True if it no longer counts: told to exit, forced to, or exiting by itself."""
        forced = self.aborted_at is not None or self.killed_at is not None
        return self.retiring or self.failed or forced

    @property
    def booting(self) -> bool:
        return self.ready_at is None and not self.leaving

    @property
    def serving(self) -> bool:
        """True if it accepts connections and has not been told to stop."""
        return self.ready_at is not None and not self.leaving

    @property
    def to_blame(self) -> bool:
        """True if its death is its own doing: neither ordered, nor the end of a request."""
        if self.retiring:
            return False
        # A worker that was aborted because it would not boot has failed to boot.
        return self.ready_at is None or (self.dumped_at is None and self.killed_at is None)

    # -- events ----------------------------------------------------------------------

    def become_ready(self, now: float) -> None:
        self.ready_at = self.heartbeat = now
        if self.aborted_at is None:
            self.dumped_at = None

    def fail(self, now: float) -> None:
        """Record that it cannot boot; it has as long to exit as one that was told to."""
        self.failed = True
        self.deadline = min(self.deadline, now + self.limits.graceful)

    def beat(self, heartbeat: float) -> bool:
        """Record a sign of life; returns True if it ends a silence that had been too long."""
        self.heartbeat = max(self.heartbeat, heartbeat)
        if self.dumped_at is None or self.aborted_at is not None or heartbeat <= self.dumped_at:
            return False
        if self.ready_at is None:
            # It is slow, not silent: its time to boot is over all the same.
            return False
        self.dumped_at = None
        return True

    def recycle(self, why: str) -> bool:
        """Ask for its replacement; returns False if it is not serving, or is replaced already.

        It goes on serving until the replacement is ready.

        :param why: one word, the reason that ``child_exit`` gets.
        """
        if self.wear or not self.serving:
            return False
        self.wear = why
        return True

    def retire(self, reason: Reason, now: float) -> None:
        """Record that it was told to exit; told again, it gets no more time."""
        if self.retiring_since is None:
            self.retiring_since = now
            self.deadline = min(self.deadline, now + self.limits.graceful)
        self.reason = reason

    def excuse(self, gap: float, now: float) -> None:
        """Leave out a time in which the master itself did not run."""
        self.heartbeat = max(self.heartbeat, now)
        self.boot_since += gap
        self.deadline += gap


@dataclass(slots=True, eq=False)
class Backoff:
    """The wait before the next attempt, after workers that failed to boot or died at once.

    The first failure costs nothing, because anything may happen once; from the second in a row
    on, the wait is 1, 2, 4 ... seconds. Workers that were forked together and fail together
    count as one failure.
    """

    failures: int = 0
    failed_at: float = -inf
    until: float = -inf

    def fail(self, spawned_at: float, now: float) -> float:
        """Count the failure of a worker, or of a fork; returns the seconds to wait."""
        if spawned_at < self.failed_at:
            return 0.0
        self.failures += 1
        self.failed_at = now
        delay = min(BACKOFF_CAP, 2.0 ** (self.failures - 2)) if self.failures > 1 else 0.0
        self.until = now + delay
        return delay

    def forget(self) -> None:
        """Allow the next attempt at once: something has changed, or has worked."""
        self.failures = 0
        self.until = -inf


class Roster:
    """The workers that are alive, or dead and not yet reaped."""

    def __init__(self) -> None:
        self._handles: dict[int, WorkerHandle] = {}
        self.backoff = Backoff()

    def __len__(self) -> int:
        return len(self._handles)

    def __iter__(self) -> Iterator[WorkerHandle]:
        """Yield all workers, oldest first: a dict keeps the order in which they were added."""
        return iter(list(self._handles.values()))

    def __contains__(self, pid: int) -> bool:
        return pid in self._handles

    def __getitem__(self, pid: int) -> WorkerHandle:
        return self._handles[pid]

    def add(self, handle: WorkerHandle) -> None:
        self._handles[handle.pid] = handle

    def remove(self, pid: int) -> WorkerHandle:
        return self._handles.pop(pid)

    def booting(self, generation: int) -> list[WorkerHandle]:
        return [h for h in self if h.booting and h.generation == generation]

    def serving(self, generation: int) -> list[WorkerHandle]:
        return [h for h in self if h.serving and h.generation == generation]

    def fresh(self, generation: int) -> list[WorkerHandle]:
        """Return the workers that serve and are meant to stay."""
        return [h for h in self.serving(generation) if not h.wear]

    def worn(self, generation: int) -> list[WorkerHandle]:
        """Return the workers that serve until their replacement is ready."""
        return [h for h in self.serving(generation) if h.wear]

    def outdated(self, generation: int) -> list[WorkerHandle]:
        """Return the workers that serve and belong to another generation."""
        return [h for h in self if h.serving and h.generation != generation]

    def take_code_change(self, generation: int) -> bool:
        """Return True once after a worker of a generation has reported that its code changed.

        Workers of an older generation are being replaced already. Their reports are kept in
        case the replacement fails and they stay: then it is to be tried again.
        """
        changed = [h for h in self if h.code_changed and h.generation == generation]
        for handle in changed:
            handle.code_changed = False
        return bool(changed)

    def recycling(self) -> bool:
        """Tell whether a worn worker is on its way out."""
        return any(h.reason is Reason.RECYCLE for h in self)

    def excuse(self, gap: float, now: float) -> None:
        for handle in self:
            handle.excuse(gap, now)

    def next_fork(self) -> float:
        """Return when the next worker may be forked; see :class:`Backoff`, and ``DOWN_CAP``."""
        if any(handle.serving or handle.booting for handle in self):
            return self.backoff.until
        return min(self.backoff.until, self.backoff.failed_at + DOWN_CAP)

    def note_death(self, handle: WorkerHandle, now: float, served: bool) -> bool:
        """Record that a worker has died; returns True if that counts as a failure.

        It does when the worker died by its own doing before the end of its boot, or within moments
        of it. It does not once the worker had begun to serve: whatever ended it then, such as a
        request, says nothing about the next one's boot. So such a worker is replaced at once,
        however often that happens.

        :param served: True if it had been given a request or a connection.
        """
        if served and handle.spawned_at >= self.backoff.failed_at:
            self.backoff.forget()
        young = handle.ready_at is None or (not served and now - handle.ready_at < LIVING)
        # A failure that it reported was counted when the report came.
        return young and handle.to_blame and not handle.failed

    def note_survivors(self, now: float) -> None:
        """End the back-off when a worker that was forked after the last failure survives."""
        if self.backoff.failures and any(
            h.serving
            and h.spawned_at >= self.backoff.failed_at
            and h.ready_at is not None
            and now - h.ready_at >= LIVING
            for h in self
        ):
            self.backoff.forget()
