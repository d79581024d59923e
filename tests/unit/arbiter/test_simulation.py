"""Any order of signals, deaths and silences, against a simulated set of workers.

The workers are simulated, the decisions are not: after every step, whatever the policy
orders is done, and what must never happen is looked for.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from corn_core.arbiter.policy import (
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
from tests.fuzzing import examples

LIMITS = TimeLimits(boot=60.0, silence=30.0, graceful=20.0)
MOST = 5


class Simulation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.roster = Roster()
        self.now = 1000.0
        self.workers, self.generation, self.stopping = 2, 1, Stopping.NO
        self.forked = 0
        self.stuck: set[int] = set()
        self.decide()

    @property
    def target(self) -> Target:
        return Target(self.workers, self.generation, self.stopping)

    # -- what the loop does ----------------------------------------------------------

    def decide(self) -> None:
        for handle in self.roster:
            if handle.ready_at is not None and handle.pid not in self.stuck:
                handle.beat(self.now)
        for _ in range(20):
            actions = next_actions(self.roster, self.target, self.now)
            if not actions:
                return
            self.check(actions)
            for action in actions:
                self.perform(action)
        raise AssertionError(f"no end of actions: {actions}")

    def perform(self, action: Action) -> None:
        if not isinstance(action, Spawn):
            note(self.roster, action, self.now)
            return
        for _ in range(action.workers):
            self.forked += 1
            pid = self.forked
            self.roster.add(WorkerHandle(pid, pid, self.generation, pid, self.now, LIMITS))

    def check(self, actions: list[Action]) -> None:
        told = {action.pid for action in actions if isinstance(action, Term)}
        if self.stopping is Stopping.NO and told & {h.pid for h in self.roster if h.serving}:
            staying = [h for h in self.roster if h.serving and h.pid not in told]
            assert len(staying) >= self.workers, "told to go before a replacement was ready"
        for action in actions:
            if isinstance(action, Spawn):
                assert self.stopping is Stopping.NO
                self.check_fork(action)
                continue
            handle = self.roster[action.pid]
            match action:
                case Term() | Quit():
                    assert handle.quit_at is None
                case Dump():
                    assert handle.dumped_at is None
                case Abort():
                    assert handle.dumped_at is not None and handle.aborted_at is None
                case Kill():
                    assert handle.killed_at is None
                    overdue = self.now >= handle.deadline
                    assert handle.aborted_at is not None or overdue, "killed without a warning"

    def check_fork(self, action: Spawn) -> None:
        """Fork nothing during a back-off, except one at a time if the service is down."""
        if self.now >= self.roster.backoff.until:
            return
        assert action.workers == 1
        assert not self.pids("serving") and not self.pids("booting")
        assert self.now >= self.roster.backoff.failed_at + DOWN_CAP

    # -- what happens to the workers -------------------------------------------------

    def some(self, data: st.DataObject, pids: list[int]) -> WorkerHandle:
        return self.roster[data.draw(st.sampled_from(pids))]

    def pids(self, which: str) -> list[int]:
        return [h.pid for h in self.roster if getattr(h, which)]

    @precondition(lambda self: self.pids("booting"))
    @rule(data=st.data())
    def one_is_ready(self, data: st.DataObject) -> None:
        self.some(data, self.pids("booting")).become_ready(self.now)
        self.decide()

    @precondition(lambda self: self.pids("booting"))
    @rule(data=st.data())
    def one_cannot_boot(self, data: st.DataObject) -> None:
        handle = self.some(data, self.pids("booting"))
        handle.fail(self.now)
        self.roster.backoff.fail(handle.spawned_at, self.now)
        self.decide()

    @precondition(lambda self: self.pids("serving"))
    @rule(data=st.data())
    def one_is_worn(self, data: st.DataObject) -> None:
        self.some(data, self.pids("serving")).recycle("memory")
        self.decide()

    @precondition(lambda self: self.pids("serving"))
    @rule(data=st.data())
    def one_is_stuck(self, data: st.DataObject) -> None:
        self.stuck.add(self.some(data, self.pids("serving")).pid)

    @precondition(lambda self: len(self.roster) > 0)
    @rule(data=st.data())
    def one_dies(self, data: st.DataObject) -> None:
        self.die(self.some(data, [handle.pid for handle in self.roster]).pid)
        self.decide()

    @precondition(lambda self: self.pids("serving"))
    @rule(data=st.data())
    def one_dies_of_a_request(self, data: st.DataObject) -> None:
        failures = self.roster.backoff.failures
        self.die(self.some(data, self.pids("serving")).pid, served=True)
        assert self.roster.backoff.failures <= failures
        self.decide()

    @precondition(lambda self: self.pids("leaving"))
    @rule()
    def all_that_were_told_go(self) -> None:
        for pid in self.pids("leaving"):
            self.die(pid)
        self.decide()

    def die(self, pid: int, served: bool = False) -> None:
        handle = self.roster.remove(pid)
        if self.roster.note_death(handle, self.now, served):
            self.roster.backoff.fail(handle.spawned_at, self.now)

    @rule(seconds=st.floats(0.1, 40))
    def time_passes(self, seconds: float) -> None:
        """By steps no longer than from one moment that matters to the next, as the loop does."""
        end = self.now + seconds
        while self.now < end:
            due = next_due(self.roster, self.now)
            self.now = min(end, max(due, self.now + 0.001), self.now + 1.0)
            self.roster.note_survivors(self.now)
            self.decide()

    # -- what the operator does ------------------------------------------------------

    @precondition(lambda self: self.workers < MOST)
    @rule()
    def ttin(self) -> None:
        self.workers += 1
        self.decide()

    @precondition(lambda self: self.workers > 1)
    @rule()
    def ttou(self) -> None:
        self.workers -= 1
        self.decide()

    @rule()
    def hup(self) -> None:
        self.generation += 1
        self.roster.backoff.forget()
        self.decide()

    @rule(quick=st.booleans(), sure=st.integers(0, 3))
    def stop(self, quick: bool, sure: int) -> None:
        if sure == 0:  # else nothing else would ever be tried for long
            quick = quick or self.stopping is Stopping.QUICK
            self.stopping = Stopping.QUICK if quick else Stopping.GRACEFUL
            self.decide()

    # -- what must never be ----------------------------------------------------------

    @invariant()
    def one_is_recycled_at_a_time(self) -> None:
        assert len([h for h in self.roster if h.reason is Reason.RECYCLE]) <= 1

    @invariant()
    def the_service_is_not_left_down(self) -> None:
        up = self.pids("serving") or self.pids("booting")
        if self.stopping is Stopping.NO and not up:
            assert self.now < self.roster.backoff.failed_at + DOWN_CAP

    @invariant()
    def not_more_are_forked_than_are_wanted(self) -> None:
        if self.stopping is Stopping.NO:
            staying = self.roster.booting(self.generation) + self.roster.fresh(self.generation)
            assert len(staying) <= self.workers

    def teardown(self) -> None:
        """From wherever that led, workers that do as they are told reach the target."""
        for _ in range(200):
            self.now += 31.0
            for handle in self.roster:
                if handle.leaving:
                    self.roster.remove(handle.pid)
                elif handle.booting:
                    handle.become_ready(self.now)
            self.roster.note_survivors(self.now)
            self.decide()
        wanted = 0 if self.stopping is not Stopping.NO else self.workers
        assert len(self.roster) == len(self.roster.fresh(self.generation)) == wanted


TestSimulation = Simulation.TestCase
TestSimulation.settings = settings(examples(60), stateful_step_count=40)
