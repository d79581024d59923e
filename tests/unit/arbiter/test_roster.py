"""The master's record of its workers: deaths, back-off, deadlines."""

from __future__ import annotations

from corn_core.arbiter.policy import Abort, Dump, Kill, note
from corn_core.arbiter.roster import BACKOFF_CAP, LIVING, Backoff, Reason, Roster, WorkerHandle
from tests.unit.arbiter.workers import LIMITS, NOW, booting, failed, leaving, ready, roster_of


def test_a_retirement_has_one_deadline_however_often_it_is_ordered() -> None:
    handle = WorkerHandle(1, 1, 1, 0, NOW, LIMITS)
    handle.retire(Reason.RECYCLE, NOW)
    handle.retire(Reason.STOP, NOW + 15)
    assert (handle.retiring_since, handle.deadline) == (NOW, NOW + LIMITS.graceful)
    assert handle.reason is Reason.STOP


def test_who_died_young_and_unasked() -> None:
    roster = roster_of([booting, ready, ready, failed, leaving(Reason.RELOAD), ready, ready])
    note(roster, Dump(6), NOW)
    note(roster, Kill(7), NOW)
    moments = {1: NOW, 2: NOW + LIVING - 0.1, 3: NOW + LIVING, 4: NOW, 5: NOW, 6: NOW, 7: NOW}
    young = [pid for pid, moment in moments.items() if roster.lost(pid, moment)[1]]
    assert young == [1, 2]
    assert len(roster) == 0


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


def test_an_aborted_worker_counts_no_more() -> None:
    roster = roster_of([ready, ready])
    note(roster, Abort(1), NOW)
    assert [handle.pid for handle in roster.fresh(2)] == [2]
