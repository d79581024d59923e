"""Decides what the master does next: pure decisions over the roster.

:func:`next_actions` is called again and again, after whatever has happened. Each call looks
at how things are, not at how they came to be so; hence signals may come in any order
and number. The loop performs the actions, and :func:`note` records that it did.

**Escalation.** A worker that is silent for longer than ``timeout``, or boots for longer than
``boot_timeout``, is asked for its stacks; after ``DUMP_GRACE`` it is aborted, and after
``ABORT_GRACE`` killed. A worker that gives a sign of life before it is aborted is spared. A
worker that was told to exit is killed at its deadline, and is subject to ``timeout`` as well:
if it is stuck in an endless loop it should leave its stacks, whichever limit is shorter.

**Supply.** Dead workers are replaced at once, whatever else happens, unless they could not boot or
died within moments of booting: then the next ones wait, longer each time, though never for long
while no worker is up. A worn worker goes on serving until its replacement is ready, and worn
workers are replaced one by one.

**Retirement.** No worker is told to exit before those that stay are as many as wanted. Workers of
an older generation go first, then a worn one, then the oldest of those beyond need.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from math import inf
from typing import NamedTuple

from corn_core.arbiter.roster import Reason, Roster, WorkerHandle

LEAST_SILENCE = 2.0
"""The shortest silence, in seconds, that is unusual: workers give a sign of life every second."""

DUMP_GRACE = 1.0
"""Seconds between the request for the stacks and SIGABRT. faulthandler needs milliseconds;
the rest is the last chance of a worker that is only slow, on a machine that swaps."""

ABORT_GRACE = 2.0
"""Seconds between SIGABRT and SIGKILL, in which ``worker_abort`` hooks may save what they can."""


class Spawn(NamedTuple):
    """Fork so many workers of the current generation."""

    workers: int


class Term(NamedTuple):
    """Tell a worker to finish what it has begun and exit (SIGTERM)."""

    pid: int
    reason: Reason


@dataclass(frozen=True)
class _Force:
    """A forcible step against one worker. Unlike tuples, no two kinds of it are ever equal."""

    pid: int


class Quit(_Force):
    """Tell a worker to exit without finishing (SIGQUIT)."""


class Dump(_Force):
    """Ask a worker for the stacks of its threads."""


class Abort(_Force):
    """Make a stuck worker run its ``worker_abort`` hooks and exit (SIGABRT)."""


class Kill(_Force):
    """End a worker that did not exit by itself (SIGKILL)."""


Action = Spawn | Term | Quit | Dump | Abort | Kill


class Stopping(IntEnum):
    """Says how far the whole server is on its way down; false as long as it is to stay.

    ``ANNOUNCED`` is the time of ``shutdown_delay``: the workers serve as before.
    """

    NO = 0
    ANNOUNCED = 1
    GRACEFUL = 2
    QUICK = 3

    @property
    def ends_workers(self) -> bool:
        """True once the workers have to exit, and none is forked any more."""
        return self >= Stopping.GRACEFUL


class Target(NamedTuple):
    """The wanted state: so many workers, all of one generation; or none, when they have to exit."""

    workers: int
    generation: int = 1
    stopping: Stopping = Stopping.NO


def next_actions(roster: Roster, target: Target, now: float) -> list[Action]:
    """Return what to do now, in this order; an empty list when all is as it should be.

    First come the steps against workers that are stuck or overdue. A server that is stopping then
    tells each worker once to stop, and forks none. Any other, and one that has only announced its
    stop, forks what is missing, at most once per call and as the back-off allows, and retires what
    is too much.

    Pure: it changes neither the roster nor anything else. An action that :func:`note` has not
    recorded is returned again by the next call. A ``Spawn`` is not recorded by ``note``: it is
    answered by adding new workers to the roster, or by a failure in its back-off.
    """
    actions: list[Action] = []
    for handle in roster:
        due, action = _escalation(handle)
        if due <= now and action is not None:
            actions.append(action)
    if target.stopping.ends_workers:
        return [*actions, *_stops(roster, target)]
    missing = _missing(roster, target)
    if missing > 0 and now >= roster.next_fork():
        # During a back-off, one is enough to find out whether workers can boot again.
        actions.append(Spawn(missing if now >= roster.backoff.until else 1))
    return [*actions, *_retirements(roster, target)]


def next_due(roster: Roster, now: float) -> float:
    """Return when time alone will call for the next action; infinity when it never will."""
    due = min((_escalation(handle)[0] for handle in roster), default=inf)
    fork = roster.next_fork()
    return min(due, fork) if fork > now else due


def note(roster: Roster, action: Action, now: float) -> None:
    """Record that an action was performed on a worker; forking adds a new worker itself."""
    match action:
        case Term(pid, reason):
            roster[pid].retire(reason, now)
        case Quit(pid):
            roster[pid].retire(Reason.STOP, now)
            roster[pid].quit_at = now
        case Dump(pid):
            roster[pid].dumped_at = now
        case Abort(pid):
            roster[pid].aborted_at = now
        case Kill(pid):
            roster[pid].killed_at = now


def _escalation(handle: WorkerHandle) -> tuple[float, Action | None]:
    """Return the next forcible step against a worker, and when it is due."""
    pid = handle.pid
    if handle.killed_at is not None:
        # There is nothing stronger. The kernel may still be busy with it, as with a core
        # dump or with a disk that does not answer.
        return inf, None
    due, action = _stuck(handle)
    if handle.deadline <= due:
        return handle.deadline, Kill(pid)
    return due, action


def _stuck(handle: WorkerHandle) -> tuple[float, Action]:
    if handle.aborted_at is not None:
        return handle.aborted_at + ABORT_GRACE, Kill(handle.pid)
    if handle.dumped_at is not None:
        return handle.dumped_at + DUMP_GRACE, Abort(handle.pid)
    if handle.failed:
        # It is exiting, and beats no more.
        since, limit = handle.heartbeat, 0.0
    elif handle.ready_at is None:
        since, limit = handle.boot_since, handle.limits.boot
    else:
        since, limit = handle.heartbeat, handle.limits.silence
        limit = max(limit, LEAST_SILENCE) if limit else limit
    return (since + limit if limit else inf), Dump(handle.pid)


def _stops(roster: Roster, target: Target) -> Iterator[Action]:
    """Term or Quit every worker not yet signalled.

    A worker that is retiring already gets no second SIGTERM and keeps its earlier deadline.
    """
    for handle in roster:
        if target.stopping is Stopping.QUICK and handle.quit_at is None:
            yield Quit(handle.pid)
        elif not handle.retiring:
            yield Term(handle.pid, Reason.STOP)


def _missing(roster: Roster, target: Target) -> int:
    """Count the workers to fork now, leaving aside whether it is too early for an attempt."""
    fresh = len(roster.fresh(target.generation))
    booting = len(roster.booting(target.generation))
    worn = len(roster.worn(target.generation))
    # Places that are not taken. A worn worker keeps its own until its replacement is ready.
    vacant = target.workers - fresh - worn
    if booting > vacant:
        # One of them is to replace a worn worker, and one at a time is enough; or, when places
        # have become fewer, none needs replacing at all.
        return 0
    replacement = 1 if worn and not roster.recycling() else 0
    return vacant - booting + replacement


def _retirements(roster: Roster, target: Target) -> Iterator[Action]:
    """Term the workers that are not wanted any more, as far as enough others serve."""
    fresh = roster.fresh(target.generation)
    booting = roster.booting(target.generation)
    worn = roster.worn(target.generation)
    outdated = roster.outdated(target.generation)
    for handle in roster:
        if handle.booting and handle.generation != target.generation:
            # It serves no client yet, and is not wanted any more.
            yield Term(handle.pid, Reason.RELOAD)
    excess = max(0, len(fresh) + len(worn) + len(outdated) - target.workers)
    for handle in outdated[:excess]:
        yield Term(handle.pid, Reason.RELOAD)
    if excess > len(outdated) and worn and not roster.recycling():
        yield Term(worn[0].pid, Reason.RECYCLE)
    # Of those beyond need, the ones that boot go first, youngest first: no client misses them.
    beyond = max(0, len(fresh) + len(booting) - target.workers)
    for handle in booting[::-1][:beyond]:
        yield Term(handle.pid, Reason.SURPLUS)
    for handle in fresh[: max(0, len(fresh) - target.workers)]:
        yield Term(handle.pid, Reason.SURPLUS)
