"""The worker processes: forks them, hears from them, reaps them.

What is in here acts on the world and decides nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from selectors import EVENT_READ, BaseSelector

from corn_core.arbiter.generation import Generation
from corn_core.arbiter.pipe import Message, WorkerPipe
from corn_core.arbiter.roster import Roster, TimeLimits, WorkerHandle
from corn_core.arbiter.server import WorkerForked
from corn_core.arbiter.signals import STOPS
from corn_core.interfaces import Hooks, Server, WorkerSnapshot
from corn_core.net import Listener
from corn_core.process.output import flush_output
from corn_core.process.scoreboard import BOOTING, DRAINING, STATE_NAMES, Scoreboard, SlotView
from corn_core.process.signals import SignalQueue
from corn_core.worker.base import Worker, WorkerContext

HANDLED = (
    *(signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCHLD),
    *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH),
    *STOPS,
)
"""The signals that the master queues."""


class Workers:
    """All worker processes of this master.

    :ivar roster: the record of them, for decisions.
    :ivar workers: by process id, the master's own object of each worker, for hooks.
    """

    def __init__(
        self, selector: BaseSelector, signals: SignalQueue, scoreboard: Scoreboard, hooks: Hooks
    ) -> None:
        self.roster = Roster()
        self.workers: dict[int, Worker] = {}
        self._pipes: dict[int, WorkerPipe] = {}
        self._selector = selector
        self._signals = signals
        self._scoreboard = scoreboard
        self._hooks = hooks
        self._forked = 0

    # -- forking ---------------------------------------------------------------------

    def fork(
        self, server: Server, generation: Generation, idle: Iterable[Listener], now: float
    ) -> None:
        """Fork a worker.

        Returns in the master only, with the worker on the roster. The child has the listeners of
        its generation, its slot and the writing end of its pipe. Its signal handlers are neutral
        until it installs its own, and all that belongs to the master alone is closed.

        :param idle: listeners that are open, and on which the worker will not accept.
        :raises WorkerForked: in the child, always.
        :raises CornError: there is no slot left for it.
        :raises OSError: the system has no process or descriptor left for it.
        :raises Exception: whatever the worker class raised when it was made. After this and the
            two before, the slot and the pipe are given back and signals are delivered as usual.
        """
        slot = self._scoreboard.allocate()
        fds: tuple[int, ...] = ()
        try:
            # Before the fork, because either side needs its end, and a failure is the master's.
            reading, report = fds = os.pipe()
            worker = self._make(generation, slot, report)
            self._hooks.call("pre_fork", server=server, worker=worker)
            pid = fork(self._signals)
        except BaseException:
            # The child never comes here: all that may raise does so before there is one.
            self._scoreboard.release(slot)
            for fd in fds:
                os.close(fd)
            raise
        if pid == 0:
            self._leave_master()
            os.close(reading)
            for listener in idle:
                # Or it would go on listening when the master has given its address up.
                listener.close()
            raise WorkerForked(worker)
        self._signals.let_go()
        # The pipe does not end as long as any process holds the writing end.
        os.close(report)
        worker.pid = pid
        self._enrol(worker, generation, slot, reading, now)

    def _make(self, generation: Generation, slot: int, report: int) -> Worker:
        loaded = generation.loaded
        return loaded.worker_class(
            WorkerContext(
                age=self._forked + 1,
                ppid=os.getpid(),
                listeners=generation.listeners,
                config=loaded.config,
                log=loaded.log,
                hooks=self._hooks,
                load_app=generation.load_app,
                slot=self._scoreboard.slot(slot),
                report=report,
                tls=loaded.tls,
            )
        )

    def _leave_master(self) -> None:
        """Give up, in the child, what belongs to the master alone.

        The worker's listeners stay open, and so does the scoreboard.
        """
        self._signals.restore()
        # The worker installs its handlers in a moment. Until then it can be told to stop, and a
        # signal that was meant for the master, such as a HUP to the whole process group, must
        # not kill it. Not SIG_IGN, because a program that is executed keeps that.
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL if number in STOPS else _do_nothing)
        # Only now: what was held back goes to the handlers above.
        self._signals.let_go()
        # Closed, and never unregistered: epoll's list of descriptors is one for both processes,
        # and unregistering would take them from the master.
        self._selector.close()
        self._signals.close()
        # A copy of another worker's pipe would keep its reader from ever seeing the end.
        for pipe in self._pipes.values():
            pipe.close()

    def _enrol(
        self, worker: Worker, generation: Generation, slot: int, reading: int, now: float
    ) -> None:
        self._forked += 1
        config = generation.loaded.config
        limits = TimeLimits(config.boot_timeout, config.timeout, config.graceful_timeout)
        pipe = WorkerPipe(reading)
        self._selector.register(pipe, EVENT_READ, worker.pid)
        self._pipes[worker.pid] = pipe
        self.workers[worker.pid] = worker
        self.roster.add(WorkerHandle(worker.pid, worker.age, generation.number, slot, now, limits))

    # -- hearing ---------------------------------------------------------------------

    def read_pipe(self, pid: int) -> list[Message]:
        """Return what a worker has reported; nothing, if it has been buried meanwhile."""
        pipe = self._pipes.get(pid)
        if pipe is None or pipe.ended:
            return []
        messages = pipe.read()
        if pipe.ended:
            # An ended pipe stays readable, and would keep the loop from sleeping.
            self._selector.unregister(pipe)
        return messages

    def take_dump(self, pid: int) -> str:
        return self._pipes[pid].take_dump()

    def view(self, pid: int) -> SlotView:
        """Read the worker's slot of the scoreboard."""
        return self._scoreboard.read(self.roster[pid].slot)

    def snapshot(self) -> tuple[WorkerSnapshot, ...]:
        """Return the workers as they are now, oldest first."""
        return tuple(map(self._snapshot, self.roster))

    def _snapshot(self, handle: WorkerHandle) -> WorkerSnapshot:
        view = self._scoreboard.read(handle.slot)
        # What the master knows comes first: a slot is all zeros until its worker has begun.
        if handle.ready_at is None:
            state = STATE_NAMES[BOOTING]
        else:
            state = STATE_NAMES[DRAINING if handle.leaving else view.state]
        return WorkerSnapshot(
            pid=handle.pid,
            age=handle.age,
            slot=handle.slot,
            state=state,
            requests=view.requests,
            connections=view.connections,
            in_flight=view.in_flight,
            heartbeat=view.heartbeat,
            request_started=view.request_started,
            method=view.method,
            path=view.path,
            serving_since=handle.ready_at or 0.0,
            generation=handle.generation,
        )

    def note_heartbeats(self) -> list[WorkerHandle]:
        """Take heartbeats from the scoreboard.

        Returns the workers whose silence has ended before they were aborted.
        """
        return [
            handle
            for handle in self.roster
            if handle.beat(self._scoreboard.read(handle.slot).heartbeat)
        ]

    def announce_stop(self) -> None:
        """Let the workers see that the whole server stops, not only they."""
        self._scoreboard.set_server_stopping()

    # -- ending ----------------------------------------------------------------------

    def send(self, pid: int, number: int) -> None:
        """Send a signal to a worker.

        Its process id cannot have become another process's: until it is reaped, a dead
        child keeps it.
        """
        os.kill(pid, number)

    def reap(self) -> Iterator[tuple[int, int]]:
        """Yield the process ids and exit statuses (negative: the signal) of dead workers."""
        # One by one: a wait for any child would take the statuses of programs that a hook
        # function has started, and waits for itself.
        for handle in self.roster:
            status = _reap(handle.pid)
            if status is not None:
                yield handle.pid, status
        if os.getpid() == 1:
            # The orphans of the whole container are ours; no other process waits for them.
            yield from ((pid, status) for pid, status in _sweep() if pid in self.roster)

    def release(self, pid: int) -> tuple[WorkerHandle, Worker]:
        """Give back what a dead worker had: its place on the roster, its pipe and its slot.

        Returns its record, and the hooks' object of it.
        """
        handle, worker = self.roster.remove(pid), self.workers.pop(pid)
        pipe = self._pipes.pop(pid)
        if not pipe.ended:
            self._selector.unregister(pipe)
        pipe.close()
        self._scoreboard.release(handle.slot)
        return handle, worker


def fork(signals: SignalQueue) -> int:
    """Fork, with the signals held back until each side has its own handlers.

    Both sides have to let them go, see :meth:`SignalQueue.hold`. Returns 0 in the child.

    :raises OSError: the system has no process left; the signals are let go then.
    """
    # Both processes would write what is buffered now.
    flush_output()
    # A signal that reached the child before it has handlers of its own would be lost to it, and
    # would wake the master, with which it shares the pipe of the queue.
    signals.hold()
    try:
        return os.fork()
    except OSError:
        signals.let_go()
        raise


def _do_nothing(number: int, frame: object) -> None:
    """Ignore a signal that is meant for the master only."""


def _reap(pid: int) -> int | None:
    try:
        reaped, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        # Other code in this process has waited for any child, and took the status.
        return 0
    return os.waitstatus_to_exitcode(status) if reaped else None


def _sweep() -> Iterator[tuple[int, int]]:
    """Reap every child that is dead."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)
