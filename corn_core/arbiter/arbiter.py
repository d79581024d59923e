"""The master: one loop that waits, takes in what has happened, decides, and acts.

Signal handlers only enqueue. Decisions are made in :mod:`corn_core.arbiter.policy`. A worker is
forked in the middle of the loop, and leaves its frames by raising WorkerForked. So none of these
frames may act on the world on the way out, in a ``finally`` or ``with``: the worker would as well.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable
from math import inf
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector
from time import monotonic

from corn_core import __version__
from corn_core.arbiter.peer import PeerMaster
from corn_core.arbiter.pipe import Failure
from corn_core.arbiter.policy import Spawn, Stopping, Target, next_actions, next_due
from corn_core.arbiter.reload import Reload
from corn_core.arbiter.server import LoadedConfig, ServerState, WorkerForked
from corn_core.arbiter.signals import STOPS, PendingSignals, StopRequested, name_of
from corn_core.arbiter.supervisor import BootFailure, Supervisor
from corn_core.arbiter.upgrade import Upgrade
from corn_core.arbiter.workers import HANDLED, Workers
from corn_core.errors import AppLoadError, BootError, CornError, one_line
from corn_core.interfaces import HasFileno, Hooks, WorkerSnapshot
from corn_core.logs.handlers import give_log_files
from corn_core.process.daemon import in_terminal
from corn_core.process.environment import ProcessEnvironment
from corn_core.process.scoreboard import Scoreboard
from corn_core.process.signals import SignalQueue
from corn_core.process.title import set_title

TICK = 1.0
"""Seconds after which the loop looks at the heartbeats, when nothing else happens."""

SUSPENSION = 2.0
"""Seconds by which a look may be late. Beyond that the master itself did not run: it was
stopped, or the machine slept; and its workers may have been in the same state."""


class Arbiter(ServerState):
    """The master process.

    :param loaded: the configuration to run with, and what its names stand for.
    :param hooks: the hook implementations of all plugins.
    :param reconfigure: loads the configuration anew at a reload; raises ``CornError`` when it
        cannot be used.
    :param process: how this process was started, for an upgrade.
    :param started: called once, when as many workers as wanted serve for the first time.
    :raises ConfigError: when the scoreboard cannot be made in ``worker_tmp_dir``.
    """

    def __init__(
        self,
        loaded: LoadedConfig,
        hooks: Hooks,
        reconfigure: Callable[[], LoadedConfig],
        process: ProcessEnvironment,
        started: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__(loaded, hooks)
        self._started = started
        self._signals = SignalQueue()
        self._pending = PendingSignals(self._signals, self._tick)
        self._selector = DefaultSelector()
        self._selector.register(self._signals, EVENT_READ)
        scoreboard = Scoreboard(directory=loaded.config.worker_tmp_dir)
        self._workers = Workers(self._selector, self._signals, scoreboard, hooks)
        self.WORKERS = self._workers.workers
        self._supervisor = Supervisor(self, self._workers)
        self._reloading = Reload(self, loaded, reconfigure, self._pending.pause, PeerMaster())
        self._upgrade = Upgrade(self, self._reloading, self._signals, process)
        # Until the server has been complete once, a worker that cannot boot ends it.
        self._starting = True
        # True once as many workers as wanted serve, after a start or a reload.
        self._complete = False
        self._exit_status = 0
        self._reason = ""
        # How many workers there were before a WINCH sent them away.
        self._size_at_rest: int | None = None
        self._looked_at = monotonic()
        self._tick_at = inf
        # When an announced stop begins, see ``shutdown_delay``.
        self._stop_at = inf
        self._last_failure = ""
        self._on_signal: dict[int, Callable[[], None]] = {
            signal.SIGHUP: self._reload,
            signal.SIGTTIN: lambda: self.resize(self.num_workers + 1),
            signal.SIGTTOU: self._shrink,
            signal.SIGUSR1: self._reopen_logs,
            signal.SIGWINCH: self._rest,
            signal.SIGUSR2: self._upgrade.start,
        }

    def run(self) -> int:
        """Serve until told to stop; returns the exit status.

        :raises CornError: when the server cannot start; nothing is left behind then.
        :raises WorkerForked: in each worker process.
        """
        try:
            self._start()
        except BaseException as error:
            # Broad, because nothing may be left behind, whatever it is. No worker has been forked
            # yet, so this cannot be one on its way out.
            self._reloading.stop_listening()
            self._reloading.remove_pidfile()
            if isinstance(error, StopRequested):
                return 0
            raise
        try:
            # Before the first wait, which nothing would end: there is no worker yet.
            self._act(monotonic())
            while not self.stopping.ends_workers or len(self._workers.roster):
                self._cycle()
        except WorkerForked:
            self._reloading.leave_pidfile()
            raise
        except BaseException as error:
            # Broad, because no worker may be left behind without a master, whatever it is.
            if os.getpid() != self.pid:
                raise  # a child that could not leave
            self._abandon()
            if not isinstance(error, Exception):
                self._reloading.remove_pidfile()
                raise  # a hook function has called sys.exit, for example
            self.log.exception("Unhandled exception in the master")
        return self._finish()

    # -- for plugins: see interfaces.Server ------------------------------------------

    def watch(
        self, file: int | HasFileno, callback: Callable[[], object], writable: bool = False
    ) -> None:
        self._selector.register(file, EVENT_WRITE if writable else EVENT_READ, callback)

    def unwatch(self, file: int | HasFileno) -> None:
        self._selector.unregister(file)

    def recycle(self, pid: int, why: str) -> bool:
        roster = self._workers.roster
        return pid in roster and roster[pid].recycle(why)

    def signal_worker(self, pid: int, number: int) -> bool:
        return self._supervisor.signal(pid, number)

    # The names that hook functions written for Gunicorn use.
    kill_worker = signal_worker

    def kill_workers(self, number: int) -> None:
        """Send a signal to all workers."""
        for pid in self.WORKERS:
            self.signal_worker(pid, number)

    def ask_for_stacks(self, pid: int) -> bool:
        return self._supervisor.ask_for_stacks(pid)

    def take_stacks(self, pid: int) -> str:
        return self._supervisor.take_stacks(pid)

    @property
    def generation(self) -> int:
        return self._reloading.current.number

    @property
    def predecessor(self) -> int:
        return self._reloading.peer.predecessor

    @property
    def successor(self) -> int:
        return self._reloading.peer.successor

    def snapshot(self) -> tuple[WorkerSnapshot, ...]:
        return self._workers.snapshot()

    # -- the beginning ---------------------------------------------------------------

    def _start(self) -> None:
        self.log.info("Starting corn %s", __version__)
        # Before any code of the application runs: what its environment says to this process is
        # not for the programs that it may start.
        self._reloading.inherit(os.environ)
        self._upgrade.open()
        # Before anything is opened, because it takes long and may fail: a signal ends it at once,
        # and it leaves nothing behind.
        self._reloading.preload()
        # Before binding: a second server with the same pidfile must be refused before it
        # touches a socket, least of all the path of the first one's unix socket.
        self._reloading.write_pidfile()
        self.hooks.call("on_starting", server=self)
        # Before binding as well, which may wait for an address, and can then be broken off.
        self._signals.install(HANDLED)
        self._reloading.open()
        self.log.info("Using worker: %s", self.worker_name)
        set_title(self._reloading.peer.role, self.cfg)
        self.hooks.call("when_ready", server=self)
        self.announce_size(None)
        # What exists now stays for good. Left out of garbage collections it is not written to
        # by them, so its pages stay shared with the workers: with 200,000 preloaded dictionaries,
        # each process was measured at 28 MB (PSS) instead of 48.
        gc.freeze()
        self._looked_at = self._tick_at = monotonic()

    # -- the loop --------------------------------------------------------------------

    def _cycle(self) -> None:
        reporting = self._wait()
        pending = self._pending.take()
        failures = []
        if pending:
            # Workers may have reported before the signal came, and after the wait: what the signal
            # does depends on it. Their deaths can wait, as the signal may be what they died of.
            failures = self._supervisor.read_pipes(list(self.WORKERS), monotonic())
            self._note_progress()
            self._obey(pending)
        self._upgrade.look()
        # Read now, not earlier: a reload may have taken a while.
        now = monotonic()
        failures += self._supervisor.read_pipes(reporting, now) + self._supervisor.reap_workers(now)
        self._note_progress()
        for failure in failures:
            self._on_boot_failure(failure, now)
        self._note_code_change()
        if now >= self._stop_at:
            self._stop(Stopping.GRACEFUL)
        self._supervisor.note_heartbeats(now)
        self._tick()
        self._act(now)

    def _act(self, now: float) -> None:
        """Perform what the policy decides.

        :raises WorkerForked: in each worker process.
        """
        target = Target(self.num_workers, self._reloading.current.number, self.stopping)
        for action in next_actions(self._workers.roster, target, now):
            if isinstance(action, Spawn):
                self._spawn_workers(action.workers, now)
            else:
                self._supervisor.perform(action, now)

    def _wait(self) -> list[int]:
        """Sleep until something happens or is due; returns the workers that have reported."""
        now = monotonic()
        due = min(next_due(self._workers.roster, now), self._tick_at, self._stop_at)
        asked = min(TICK, max(0.0, due - now))
        events = self._selector.select(0.0 if self._pending.waiting else asked)
        now = monotonic()
        gap = now - self._looked_at
        self._looked_at = now
        if gap > TICK + SUSPENSION:
            self.log.info("The master was held up for %.1f seconds; no worker is blamed", gap)
            self._workers.roster.excuse(gap, now)
        reporting = []
        for key, _ in events:
            if callable(key.data):
                self._call_back(key.data)
            elif key.data is not None:
                reporting.append(key.data)
        return reporting

    def _call_back(self, callback: Callable[[], object]) -> None:
        try:
            callback()
        except Exception:
            # Broad, because it is a plugin's code: its failure must not end the master.
            self.log.exception("Error in a callback of the master's loop")

    def _tick(self) -> float:
        """Call ``on_tick`` when it is due; returns the seconds until it is due again."""
        now = monotonic()
        if now >= self._tick_at:
            self._tick_at = now + TICK
            self.hooks.call("on_tick", server=self)
        return self._tick_at - now

    def _note_progress(self) -> None:
        serving = len(self._workers.roster.serving(self._reloading.current.number))
        if serving:
            self._reloading.settle()
        if serving < self.num_workers or self.stopping:
            return
        self._note_start()
        if not self._complete:
            self._complete = True
            self.hooks.call("when_serving", server=self)

    def _note_start(self) -> None:
        """Note that the server serves: from now on, a failure is not a reason to give up."""
        if self._starting:
            self._starting = False
            self._started()

    def _spawn_workers(self, count: int, now: float) -> None:
        generation = self._reloading.current
        for _ in range(count):
            try:
                self._workers.fork(self, generation, self._reloading.idle_listeners(), now)
            except Exception as error:
                if os.getpid() != self.pid:
                    raise  # a child must not continue in here
                # Broad, because the worker class may be a plugin's. It is a failed boot like
                # any other, and must not end the master.
                details = error.details if isinstance(error, CornError) else ""
                failure = Failure(
                    f"it cannot be forked: {one_line(error)}", BootError.exit_status, details
                )
                self._on_boot_failure(BootFailure(generation.number, now, failure), now)
                return

    # -- signals ---------------------------------------------------------------------

    def _obey(self, pending: list[int]) -> None:
        for number in pending:
            self.log.info("Handling signal: %s", name_of(number))
            if number in STOPS:
                self._announce_or_stop(STOPS[number])
            elif self.stopping:
                self.log.info("Ignored, because the server is stopping")
            elif number in self._on_signal:
                self._on_signal[number]()
            else:
                self.log.info("Ignored, because it means nothing to this server")

    def _reload(self) -> None:
        self.log.info("Hang up: Master")
        # Whatever was wrong may have been put right.
        self._workers.roster.backoff.forget()
        self._last_failure = ""
        if self._workers.roster.fresh(self._reloading.current.number):
            # It serves, if not with all workers yet: what is broken now must not end it any more.
            self._note_start()
        self._complete = False
        if self._size_at_rest is not None:
            # Before the new configuration is read: whatever is wrong with it, there are to be
            # workers again, if need be those of the old one.
            size, self._size_at_rest = self._size_at_rest, None
            self.resize(size)
        try:
            self._reloading.reload()
        except StopRequested:
            return  # the signal that did it is handled next

    def _shrink(self) -> None:
        # The last worker stays. Where WINCH has left none, there is none to take away.
        if self.num_workers > 1:
            self.resize(self.num_workers - 1)

    def _rest(self) -> None:
        """Retire all workers; the sockets stay open, for other processes that accept on them."""
        if in_terminal():
            self.log.info("Ignored, because a terminal sends it whenever its size changes")
            return
        if self._size_at_rest is None:
            self._size_at_rest = self.num_workers
        self.log.info("All workers retire; HUP brings them back")
        self.resize(0)

    def _note_code_change(self) -> None:
        """Replace all workers when one reports that its code has changed, see ``reload``."""
        changed = self._workers.roster.take_code_change(self._reloading.current.number)
        if changed and not self.stopping:
            self.log.info("The code has changed: replacing all workers")
            self._workers.roster.backoff.forget()
            self._last_failure = ""
            self._complete = False
            self._reloading.renew()

    def _reopen_logs(self) -> None:
        self.log.reopen_files()
        # Before the workers are told: they may not open root's new files.
        give_log_files(self.cfg)
        for pid in self.WORKERS:
            self._workers.send(pid, signal.SIGUSR1)

    # -- the end ---------------------------------------------------------------------

    def _on_boot_failure(self, failed: BootFailure, now: float) -> None:
        """Stop, if the server has never been complete; otherwise go back, or try again."""
        failure, current = failed.failure, self._reloading.current
        if self.stopping.ends_workers or failed.generation != current.number:
            return
        # An application that keeps failing in one way has its traceback in the log once.
        details = failure.details if failure.details != self._last_failure else ""
        self._last_failure = failure.details
        self.log.error("A worker failed to boot: %s", f"{failure.message}\n{details}".rstrip())
        if self._reloading.can_revert:
            self._complete = False
            self._reloading.revert(f"a worker failed to boot: {failure.message}")
            self._workers.roster.backoff.forget()
        elif self._starting:
            loading = failure.status == AppLoadError.exit_status
            self._exit_status = failure.status if loading else BootError.exit_status
            self._reason = "App failed to load." if loading else "Worker failed to boot."
            self._stop(Stopping.GRACEFUL)
        else:
            self._supervisor.back_off(failed.spawned_at, now)

    def _announce_or_stop(self, how: Stopping) -> None:
        """Obey a signal that ends the server, at once or after ``shutdown_delay``.

        Nothing is delayed for clients that another master serves, or when no worker serves any.
        """
        delay = self.cfg.shutdown_delay
        serves = self._reloading.peer.alone and any(one.serving for one in self._workers.roster)
        if self.stopping or how is not Stopping.GRACEFUL or not delay or not serves:
            self._stop(how)
            return
        self.log.info("Stopping in %g seconds; until then, requests are served", delay)
        self._stop_at = monotonic() + delay
        self._stop(Stopping.ANNOUNCED)

    def _stop(self, how: Stopping) -> None:
        """Announce the stop, begin it, or hurry with it; the policy has the workers told."""
        self._upgrade.look()
        before, self.stopping = self.stopping, max(self.stopping, how)
        try:
            if not before:
                self.hooks.call("on_stopping", server=self, reason=self._reason)
        finally:
            # Also when a hook function has called sys.exit.
            if self.stopping.ends_workers and not before.ends_workers:
                self._turn_clients_away()

    def _turn_clients_away(self) -> None:
        self._stop_at = inf
        if self._reloading.peer.alone:
            self._workers.announce_stop()
        # Once the workers can see it, because they take what is in the backlogs by then.
        self._reloading.stop_listening()

    def _abandon(self) -> None:
        """Tell every worker to exit, because the master cannot continue."""
        self._exit_status = 1
        self._stop(Stopping.GRACEFUL)
        for pid in self.WORKERS:
            self._workers.send(pid, signal.SIGTERM)

    def _finish(self) -> int:
        say = self.log.error if self._exit_status else self.log.info
        say("Shutting down: Master")
        if self._reason:
            say("Reason: %s", self._reason)
        self._upgrade.close()
        self._reloading.remove_pidfile()
        self.hooks.call("on_exit", server=self)
        return self._exit_status
