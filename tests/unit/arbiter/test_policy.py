"""The master's decisions, as tables: how things stand, and what is to be done."""

from __future__ import annotations

from math import inf

import pytest

from corn_core.arbiter.policy import (
    ABORT_GRACE,
    DUMP_GRACE,
    LEAST_SILENCE,
    Abort,
    Action,
    Dump,
    Kill,
    Quit,
    Spawn,
    Stopping,
    Target,
    Term,
    next_actions,
    next_due,
    note,
)
from corn_core.arbiter.roster import DOWN_CAP, Reason, Roster, TimeLimits, WorkerHandle
from tests.unit.arbiter.workers import (
    LIMITS,
    NOW,
    Change,
    booting,
    failed,
    in_generation,
    leaving,
    ready,
    roster_of,
    worn,
)

old = in_generation(1, ready)
old_booting = in_generation(1, booting)
recycling = leaving(Reason.RECYCLE)
reloading = in_generation(1, leaving(Reason.RELOAD))

SUPPLY: dict[str, tuple[list[Change], int, list[Action]]] = {
    "at the start, all at once": ([], 3, [Spawn(3)]),
    "those that boot are counted": ([booting, booting], 3, [Spawn(1)]),
    "enough": ([ready, ready, booting], 3, []),
    "a dead one's place": ([ready, ready], 3, [Spawn(1)]),
    "one that cannot boot is not counted": ([ready, failed], 2, [Spawn(1)]),
    "a reload, new ones first": ([old, old], 2, [Spawn(2)]),
    "a reload, none ready yet": ([old, old, booting, booting], 2, []),
    "a reload, one for one": ([old, old, ready, booting], 2, [Term(1, Reason.RELOAD)]),
    "a reload, another one": ([reloading, old, ready, ready], 2, [Term(2, Reason.RELOAD)]),
    "a reload, several at once": (
        [old, old, ready, ready],
        2,
        [Term(1, Reason.RELOAD), Term(2, Reason.RELOAD)],
    ),
    "a reload to fewer workers": (
        [old, old, old, ready],
        1,
        [Term(1, Reason.RELOAD), Term(2, Reason.RELOAD), Term(3, Reason.RELOAD)],
    ),
    "a reload to more workers": ([old, ready, ready, booting], 4, [Spawn(1)]),
    "what boots for an old generation goes": (
        [old, old_booting, booting, booting],
        2,
        [Term(2, Reason.RELOAD)],
    ),
    "recycling: a replacement first": ([worn, ready], 2, [Spawn(1)]),
    "recycling: one replacement at a time": ([worn, worn, ready], 3, [Spawn(1)]),
    "recycling: the replacement boots": ([worn, worn, booting], 2, []),
    "recycling: the replacement is ready": ([worn, worn, ready], 2, [Term(1, Reason.RECYCLE)]),
    "recycling: the next one waits": ([recycling, worn, ready], 2, []),
    "recycling: one by one also beyond need": ([recycling, worn, ready, ready], 2, []),
    "recycling: the next one's turn": ([worn, ready], 2, [Spawn(1)]),
    "two dead ones, and one boots already": ([worn, booting], 3, [Spawn(2)]),
    "a dead one and a worn one": ([worn, ready], 3, [Spawn(2)]),
    "a dead one while another one drains": ([recycling, worn], 2, [Spawn(1)]),
    "recycling: not beyond need": ([worn, ready, ready], 2, [Term(1, Reason.RECYCLE)]),
    "recycling all of them in a reload": (
        [in_generation(1, worn), in_generation(1, worn), ready, ready],
        2,
        [Term(1, Reason.RELOAD), Term(2, Reason.RELOAD)],
    ),
    "one too many: the oldest": ([ready, ready, ready], 2, [Term(1, Reason.SURPLUS)]),
    "two too many": (
        [ready, ready, ready],
        1,
        [Term(1, Reason.SURPLUS), Term(2, Reason.SURPLUS)],
    ),
    "too many, and one that boots": ([ready, ready, booting], 2, [Term(3, Reason.SURPLUS)]),
    "too many that boot: the youngest": ([booting, booting], 1, [Term(2, Reason.SURPLUS)]),
    "those that go are not told twice": ([leaving(Reason.SURPLUS), ready], 1, []),
}


@pytest.mark.parametrize("stopping", [Stopping.NO, Stopping.ANNOUNCED])
@pytest.mark.parametrize("case", SUPPLY)
def test_supply_and_retirement(case: str, stopping: Stopping) -> None:
    changes, workers, expected = SUPPLY[case]
    target = Target(workers, generation=2, stopping=stopping)
    assert next_actions(roster_of(changes), target, NOW) == expected


STOPS: dict[str, tuple[list[Change], Stopping, list[Action]]] = {
    "graceful": (
        [ready, booting],
        Stopping.GRACEFUL,
        [Term(1, Reason.STOP), Term(2, Reason.STOP)],
    ),
    "one that goes already is left to it": (
        [recycling, ready],
        Stopping.GRACEFUL,
        [Term(2, Reason.STOP)],
    ),
    "quick": ([ready, booting], Stopping.QUICK, [Quit(1), Quit(2)]),
    "quick for those who were told to finish": (
        [leaving(Reason.STOP), recycling],
        Stopping.QUICK,
        [Quit(1), Quit(2)],
    ),
    "no more workers": ([], Stopping.GRACEFUL, []),
}


@pytest.mark.parametrize("case", STOPS)
def test_stopping(case: str) -> None:
    changes, stopping, expected = STOPS[case]
    roster = roster_of(changes)
    target = Target(3, generation=2, stopping=stopping)
    actions = next_actions(roster, target, NOW)
    assert actions == expected
    for action in actions:
        note(roster, action, NOW)
    assert next_actions(roster, target, NOW) == []


def alone(change: Change, limits: TimeLimits = LIMITS) -> tuple[Roster, WorkerHandle]:
    handle = WorkerHandle(1, 1, 2, 0, NOW, limits)
    change(handle)
    roster = Roster()
    roster.add(handle)
    return roster, handle


def escalation(roster: Roster, until: float = NOW + 1000) -> list[tuple[float, Action]]:
    """Perform whatever is due, moment by moment, with a worker that reacts to nothing."""
    done: list[tuple[float, Action]] = []
    target = Target(1, generation=2)
    while (due := next_due(roster, NOW)) < until:
        before = len(done)
        for action in next_actions(roster, target, due):
            if not isinstance(action, Spawn):
                note(roster, action, due)
                done.append((due - NOW, action))
        assert len(done) > before, "what was due was not done"
    return done


ESCALATIONS: dict[str, tuple[Change, TimeLimits, list[tuple[float, Action]]]] = {
    "silent": (
        ready,
        LIMITS,
        [
            (30.0, Dump(1)),
            (30.0 + DUMP_GRACE, Abort(1)),
            (30.0 + DUMP_GRACE + ABORT_GRACE, Kill(1)),
        ],
    ),
    "slow to boot": (
        booting,
        LIMITS,
        [
            (120.0, Dump(1)),
            (120.0 + DUMP_GRACE, Abort(1)),
            (120.0 + DUMP_GRACE + ABORT_GRACE, Kill(1)),
        ],
    ),
    "told to go": (recycling, LIMITS, [(20.0, Kill(1))]),
    "cannot boot, and does not exit": (failed, LIMITS, [(20.0, Kill(1))]),
    "told to go, and silent": (
        recycling,
        TimeLimits(silence=18.5, graceful=20.0),
        [(18.5, Dump(1)), (18.5 + DUMP_GRACE, Abort(1)), (20.0, Kill(1))],
    ),
    "told to go, and out of time in every way": (
        recycling,
        TimeLimits(silence=20.0, graceful=20.0),
        [(20.0, Kill(1))],
    ),
    "a limit shorter than the beat of a healthy worker": (
        ready,
        TimeLimits(silence=0.5),
        [
            (LEAST_SILENCE, Dump(1)),
            (LEAST_SILENCE + DUMP_GRACE, Abort(1)),
            (LEAST_SILENCE + DUMP_GRACE + ABORT_GRACE, Kill(1)),
        ],
    ),
    "no limits": (ready, TimeLimits(0, 0, 0), []),
    "no limits, booting": (booting, TimeLimits(0, 0, 0), []),
    "no time to go": (recycling, TimeLimits(graceful=0), [(0.0, Kill(1))]),
}


@pytest.mark.parametrize("case", ESCALATIONS)
def test_escalation(case: str) -> None:
    change, limits, expected = ESCALATIONS[case]
    roster, _ = alone(change, limits)
    assert escalation(roster) == expected


def test_a_sign_of_life_lets_a_worker_off_until_it_is_aborted() -> None:
    roster, handle = alone(ready)
    target = Target(1, generation=2)
    note(roster, Dump(1), NOW + 30)
    assert not handle.beat(NOW + 30), "that beat may be older than the silence"
    assert handle.beat(NOW + 30.5)
    assert next_actions(roster, target, NOW + 60) == []
    assert next_actions(roster, target, NOW + 60.5) == [Dump(1)]
    note(roster, Dump(1), NOW + 60.5)
    note(roster, Abort(1), NOW + 61.5)
    assert not handle.beat(NOW + 62)
    assert Kill(1) in next_actions(roster, target, NOW + 61.5 + ABORT_GRACE)


def test_a_beat_is_not_enough_for_a_worker_that_should_be_ready() -> None:
    roster, handle = alone(booting)
    note(roster, Dump(1), NOW + 120)
    assert not handle.beat(NOW + 120.5)
    assert next_actions(roster, Target(1, 2), NOW + 121) == [Abort(1)]
    handle.become_ready(NOW + 121)
    assert next_actions(roster, Target(1, 2), NOW + 121) == []


def test_an_aborted_worker_is_replaced_before_it_is_dead() -> None:
    roster, _ = alone(ready)
    note(roster, Abort(1), NOW)
    assert next_actions(roster, Target(1, 2), NOW) == [Spawn(1)]


def test_a_master_that_was_suspended_gives_everybody_new_time() -> None:
    changes: list[Change] = [ready, booting, leaving(Reason.SURPLUS)]
    roster = roster_of(changes)
    later = NOW + 3600
    roster.excuse(gap=3600, now=later)
    assert next_actions(roster, Target(2, generation=2), later) == []
    assert next_actions(roster, Target(2, generation=2), later + 20) == [Kill(3)]
    assert next_actions(roster, Target(2, generation=2), later + 30)[0] == Dump(1)
    assert Dump(2) in next_actions(roster, Target(2, generation=2), later + 120)


BACK_OFF: dict[str, tuple[list[Change], float, list[Action]]] = {
    # The fifth failure in a row, at NOW: 8 seconds, or DOWN_CAP while no worker is up.
    "some serve": ([ready], 7.9, []),
    "some serve, and the wait is over": ([ready], 8.0, [Spawn(2)]),
    "an older generation serves": ([old], 7.9, []),
    "none is up": ([], DOWN_CAP - 0.1, []),
    "none is up: one tries": ([], DOWN_CAP, [Spawn(1)]),
    "none is up: while one boots, it is the only one": ([booting], 7.9, []),
    "none is up, and the wait is over": ([], 8.0, [Spawn(3)]),
    "those that go are not up": ([recycling, failed], DOWN_CAP, [Spawn(1)]),
}


@pytest.mark.parametrize("case", BACK_OFF)
def test_back_off_never_keeps_the_service_down(case: str) -> None:
    changes, later, expected = BACK_OFF[case]
    roster = roster_of(changes)
    for ago in (40, 30, 20, 10, 0):
        roster.backoff.fail(NOW - ago, NOW - ago)
    assert next_actions(roster, Target(3, generation=2), NOW + later) == expected


def test_the_loop_wakes_for_the_next_attempt() -> None:
    roster = roster_of([])
    for ago in (20, 10, 0):
        roster.backoff.fail(NOW - ago, NOW - ago)
    assert next_due(roster, NOW) == NOW + DOWN_CAP
    roster.add(WorkerHandle(1, 1, 2, 0, NOW + DOWN_CAP, TimeLimits(boot=0)))
    assert next_due(roster, NOW + DOWN_CAP) == NOW + 2.0
    assert next_due(roster, NOW + 2.0) == inf
