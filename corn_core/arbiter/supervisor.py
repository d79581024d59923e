"""Looks after the workers: takes in what they report, acts on them, and buries the dead."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from typing import NamedTuple

from corn_core.arbiter.pipe import Failure, Message, Notice
from corn_core.arbiter.policy import Abort, Action, Dump, Kill, Quit, Term, note
from corn_core.arbiter.postmortem import (
    CRASHED,
    TIMED_OUT,
    OomCounter,
    activity,
    describe_exit,
    exit_reason,
    is_expected,
    log_lost_request,
)
from corn_core.arbiter.roster import WorkerHandle
from corn_core.arbiter.server import ServerState
from corn_core.arbiter.signals import STOPS
from corn_core.arbiter.workers import Workers
from corn_core.process.scoreboard import SlotView
from corn_core.worker.signals import DUMP_SIGNAL


class BootFailure(NamedTuple):
    """A worker of a generation could not boot, and had not been told to exit."""

    generation: int
    spawned_at: float
    failure: Failure


class Supervisor:
    """Brings the record of the workers up to date, and performs what is decided about them.

    :param server: the master. While it stops, a worker may have learnt of it from elsewhere: a
        Ctrl-C goes to every process of a terminal.
    """

    def __init__(self, server: ServerState, workers: Workers) -> None:
        self._server = server
        self._workers = workers
        self._roster = workers.roster
        self._oom = OomCounter()

    # -- taking in -------------------------------------------------------------------

    def read_pipes(self, pids: Iterable[int], now: float) -> list[BootFailure]:
        """Take in what these workers have reported; returns those that cannot boot."""
        failures: list[BootFailure] = []
        for pid in pids:
            for message in self._workers.read_pipe(pid):
                failures += self._take_in(self._roster[pid], message, now)
        return failures

    def reap_workers(self, now: float) -> list[BootFailure]:
        """Bury the workers that have died; returns those that could not boot."""
        failures: list[BootFailure] = []
        for pid, exit_code in self._workers.reap():
            # Before the pipe is closed: it may hold the reason.
            failures += self.read_pipes([pid], now)
            failures += self._bury(pid, exit_code, now)
        return failures

    def note_heartbeats(self, now: float) -> None:
        """Take in the workers' signs of life."""
        for handle in self._workers.note_heartbeats():
            self._server.log.warning(
                "Worker (pid:%s) was silent for longer than its timeout, but is back", handle.pid
            )
        self._roster.note_survivors(now)

    def back_off(self, spawned_at: float, now: float) -> None:
        """Count a worker that failed against the next attempts."""
        if self._roster.backoff.fail(spawned_at, now):
            self._server.log.warning(
                "Workers failed %s times in a row; trying again within %g seconds",
                self._roster.backoff.failures,
                self._roster.next_fork() - now,
            )

    def _take_in(self, handle: WorkerHandle, message: Message, now: float) -> list[BootFailure]:
        if message is Notice.READY:
            handle.become_ready(now)
            if handle.serving:  # not told to exit meanwhile
                worker = self._server.WORKERS[handle.pid]
                self._server.hooks.call("child_ready", server=self._server, worker=worker)
        elif isinstance(message, Failure):
            handle.fail(now)
            if handle.to_blame:
                return [BootFailure(handle.generation, handle.spawned_at, message)]
        elif message is Notice.OUTDATED:
            handle.code_changed = True
        else:
            handle.recycle("requests")
        return []

    def _bury(self, pid: int, exit_code: int, now: float) -> list[BootFailure]:
        """Report a worker's death, and forget the worker; returns it if it could not boot."""
        server = self._server
        # Read first: what the worker was doing goes with its slot.
        view = self._workers.view(pid)
        handle, worker = self._workers.release(pid)
        failed = self._roster.note_death(handle, now, view.has_served)
        # For each SIGKILL, also an expected one: the next must not be taken for what this was.
        memory = self._oom.look() if exit_code == -signal.SIGKILL else ""
        self._report_death(handle, exit_code, view, now, memory)
        reason = exit_reason(handle, exit_code, self._oom.has_moved)
        if exit_code == 0 and server.stopping.ends_workers and not handle.retiring:
            reason = "stop"
        server.hooks.call(
            "child_exit", server=server, worker=worker, status=exit_code, reason=reason
        )
        if not failed or server.stopping.ends_workers:
            return []
        if handle.ready_at is not None or _was_told(exit_code):
            self.back_off(handle.spawned_at, now)
            return []
        if handle.aborted_at is not None:
            what = f"did not boot within boot_timeout, {handle.limits.boot:g} seconds"
        else:
            what = f"{describe_exit(exit_code)} before it was ready"
        return [BootFailure(handle.generation, handle.spawned_at, Failure(f"it {what}"))]

    def _report_death(
        self, handle: WorkerHandle, exit_code: int, view: SlotView, now: float, memory: str
    ) -> None:
        """Log a worker's death; ``memory`` explains a SIGKILL, see :class:`OomCounter`."""
        log, pid = self._server.log, handle.pid
        if is_expected(handle, exit_code) or (exit_code == 0 and self._server.stopping):
            log.debug("Worker (pid:%s) %s", pid, describe_exit(exit_code))
            return
        if exit_code == 0:
            log.info("Worker (pid:%s) has exited without being told to", pid)
            return
        doing = f"It was {activity(view, now)}."
        if exit_code == -signal.SIGKILL:
            log.error("Worker (pid:%s) was sent SIGKILL! %s. %s", pid, memory, doing)
        elif exit_code < 0:
            log.warning("Worker (pid:%s) %s! %s", pid, describe_exit(exit_code), doing)
        else:
            log.error("Worker (pid:%s) %s", pid, describe_exit(exit_code))
        log_lost_request(log, view, now, CRASHED)

    # -- acting ----------------------------------------------------------------------

    def perform(self, action: Action, now: float) -> None:
        """Do to a worker what was decided, and record it."""
        match action:
            case Term(pid):
                self._workers.send(pid, signal.SIGTERM)
            case Quit(pid):
                self._workers.send(pid, signal.SIGQUIT)
            case Dump(pid):
                # What is there now is of an earlier silence, and would be taken for this one's.
                self._workers.take_dump(pid)
                if DUMP_SIGNAL is not None:
                    self._workers.send(pid, DUMP_SIGNAL)
            case Abort(pid):
                self._report_timeout(self._roster[pid], now)
                self._workers.send(pid, signal.SIGABRT)
            case Kill(pid):
                self._report_kill(self._roster[pid], now)
                self._workers.send(pid, signal.SIGKILL)
        note(self._roster, action, now)

    def signal(self, pid: int, number: int) -> bool:
        """Send a signal to a worker for an operator; returns False if there is no such worker."""
        if pid not in self._roster:
            return False
        self._workers.send(pid, number)
        self._roster[pid].signalled = number
        return True

    def ask_for_stacks(self, pid: int) -> bool:
        """Ask a worker that serves for its stacks; returns False if it cannot be asked now.

        One that boots has perhaps no handler yet, and would die of the signal.
        """
        if DUMP_SIGNAL is None or pid not in self._roster or not self._dumps(pid):
            return False
        self._workers.take_dump(pid)
        self._workers.send(pid, DUMP_SIGNAL)
        return True

    def take_stacks(self, pid: int) -> str:
        """Take the stacks that a worker has written; none, once its timeout's report needs them."""
        if pid not in self._roster or not self._dumps(pid):
            return ""
        return self._workers.take_dump(pid)

    def _dumps(self, pid: int) -> bool:
        handle = self._roster[pid]
        return handle.ready_at is not None and handle.dumped_at is None

    def _report_timeout(self, handle: WorkerHandle, now: float) -> None:
        """Log what a stuck worker is doing, before it is gone."""
        log, pid = self._server.log, handle.pid
        view = self._workers.view(pid)
        stacks = self._workers.take_dump(pid) or "(It has not written its stacks.)"
        if handle.ready_at is None:
            state = f"booting for {now - handle.boot_since:.1f} seconds"
        else:
            state = f"silent for {now - handle.heartbeat:.1f} seconds, {activity(view, now)}"
        log.critical("WORKER TIMEOUT (pid:%s) %s\n%s", pid, state, stacks)
        log_lost_request(log, view, now, TIMED_OUT)

    def _report_kill(self, handle: WorkerHandle, now: float) -> None:
        """Log that a worker's time to exit has run out."""
        if handle.aborted_at is not None:
            return  # which has been reported as a timeout
        log, view = self._server.log, self._workers.view(handle.pid)
        log.error(
            "Worker (pid:%s) did not exit within graceful_timeout, %g seconds, and is killed."
            " It was %s.",
            handle.pid,
            handle.limits.graceful,
            activity(view, now),
        )
        log_lost_request(log, view, now, TIMED_OUT)


def _was_told(exit_code: int) -> bool:
    """Tell whether a signal from elsewhere has made a booting worker stop.

    Its boot has not failed then, and at the start the server need not give up.
    """
    return exit_code == 0 or -exit_code in STOPS
