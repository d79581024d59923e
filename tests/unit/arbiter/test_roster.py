"""The master's record of its workers: deaths, back-off, deadlines."""

from __future__ import annotations

import pytest

from corn_core.arbiter.policy import Abort, Action, Dump, Kill, Term, note
from corn_core.arbiter.roster import BACKOFF_CAP, LIVING, Backoff, Reason, Roster, WorkerHandle
from tests.unit.arbiter.workers import (
    LIMITS,
    NOW,
    Change,
    booting,
    failed,
    leaving,
    ready,
    roster_of,
)


def test_a_retirement_has_one_deadline_however_often_it_is_ordered() -> None:
    handle = WorkerHandle(1, 1, 1, 0, NOW, LIMITS)
    handle.retire(Reason.RECYCLE, NOW)
    handle.retire(Reason.STOP, NOW + 15)
    assert (handle.retiring_since, handle.deadline) == (NOW, NOW + LIMITS.graceful)
    assert handle.reason is Reason.STOP


def test_a_worker_that_cannot_boot_gains_no_time_by_being_told_to_go() -> None:
    handle = WorkerHandle(1, 1, 1, 0, NOW, LIMITS)
    handle.fail(NOW)
    handle.retire(Reason.STOP, NOW + 5)
    assert handle.deadline == NOW + LIMITS.graceful


NOTHING, SOMETHING = False, True

DEATHS: dict[str, tuple[Change, list[Action], float, bool, bool]] = {
    "while booting": (booting, [], 0, NOTHING, True),
    "soon after": (ready, [], LIVING - 0.1, NOTHING, True),
    "having lived": (ready, [], LIVING, NOTHING, False),
    "at once, but of a request": (ready, [], 0, SOMETHING, False),
    "having served and lived": (ready, [], LIVING, SOMETHING, False),
    "after a report, which was counted": (failed, [], 0, NOTHING, False),
    "on its way out": (leaving(Reason.RELOAD), [], 0, NOTHING, False),
    "booting, and told to go": (booting, [Term(1, Reason.RELOAD)], 0, NOTHING, False),
    "stuck in a request": (ready, [Dump(1), Abort(1)], 0, SOMETHING, False),
    "stuck booting": (booting, [Dump(1), Abort(1), Kill(1)], 0, NOTHING, True),
}


@pytest.mark.parametrize("case", DEATHS)
def test_which_deaths_are_failures(case: str) -> None:
    change, actions, later, served, expected = DEATHS[case]
    roster = roster_of([change])
    for action in actions:
        note(roster, action, NOW)
    assert roster.note_death(roster.remove(1), NOW + later, served) is expected


def test_back_off_doubles_up_to_its_cap() -> None:
    backoff = Backoff()
    delays = [backoff.fail(now, now) for now in range(0, 1000, 100)]
    assert delays == [0, 1, 2, 4, 8, 16, BACKOFF_CAP, BACKOFF_CAP, BACKOFF_CAP, BACKOFF_CAP]
    assert backoff.until == 900 + BACKOFF_CAP


def test_workers_that_were_forked_together_fail_once() -> None:
    backoff = Backoff()
    assert [backoff.fail(0.0, 1.0), backoff.fail(0.0, 1.1), backoff.fail(0.0, 1.2)] == [0, 0, 0]
    assert backoff.fail(1.3, 2.0) == 1.0


def test_a_survivor_ends_the_back_off() -> None:
    roster = Roster()
    veteran, newcomer = (WorkerHandle(pid, pid, 1, pid, NOW, LIMITS) for pid in (1, 2))
    veteran.become_ready(NOW)
    newcomer.spawned_at = NOW + 60
    newcomer.become_ready(NOW + 60)
    roster.add(veteran)
    roster.backoff.fail(NOW, NOW + 50)
    roster.backoff.fail(NOW + 50, NOW + 51)
    roster.note_survivors(NOW + 60)
    assert roster.backoff.failures == 2, "the veteran proves nothing about new ones"
    roster.add(newcomer)
    roster.note_survivors(NOW + 60 + LIVING - 0.1)
    assert roster.backoff.failures == 2
    roster.note_survivors(NOW + 60 + LIVING)
    assert roster.backoff.failures == 0


def test_a_worker_that_has_served_ends_the_back_off_of_those_before_it() -> None:
    """Whatever it died of: it could boot, and so can the next one."""
    roster = roster_of([ready, ready])
    for ago in (10, 5):
        roster.backoff.fail(NOW - ago, NOW - ago)
    roster[1].spawned_at = NOW - 6
    roster.note_death(roster.remove(1), NOW, served=True)
    assert roster.backoff.failures == 2, "it was forked before the last failure"
    roster.note_death(roster.remove(2), NOW, served=True)
    assert roster.backoff.failures == 0


def test_only_a_worker_that_serves_is_recycled_and_only_once() -> None:
    roster = roster_of([ready, booting, leaving(Reason.RELOAD), failed])
    assert [handle.recycle("memory") for handle in roster] == [True, False, False, False]
    assert not roster[1].recycle("lifetime")
    assert [(handle.pid, handle.wear) for handle in roster.worn(2)] == [(1, "memory")]


def test_an_aborted_worker_counts_no_more() -> None:
    roster = roster_of([ready, ready])
    note(roster, Abort(1), NOW)
    assert [handle.pid for handle in roster.fresh(2)] == [2]


def test_a_change_of_code_is_acted_on_once() -> None:
    roster = roster_of([ready, ready])
    assert not roster.take_code_change(2)
    for handle in roster:
        handle.code_changed = True
    assert roster.take_code_change(2)
    assert not roster.take_code_change(2)


def test_a_change_of_code_that_an_older_generation_has_seen_waits_for_its_return() -> None:
    """If the new generation cannot boot, it may have met files that were half saved."""
    roster = roster_of([ready])
    roster[1].code_changed = True
    assert not roster.take_code_change(3)
    assert roster.take_code_change(2)
