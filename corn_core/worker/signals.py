"""Handles the signals of a worker.

=========  ===============================================================
TERM       finish what has begun, then exit
INT, QUIT  call ``worker_int`` and exit at once
ABRT       call ``worker_abort`` and exit at once; the master sends it on timeout
USR1       reopen the log files
URG        see whether the master is still there; the kernel sends it when that ends (Linux)
RTMIN      write the stack of every thread to the master's pipe
others     nothing: a HUP meant for the master must not kill its workers
=========  ===============================================================
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from select import poll
from types import FrameType

from corn_core.errors import WorkerQuit
from corn_core.worker.base import Worker

DUMP_SIGNAL: int | None = getattr(signal, "SIGRTMIN", None)
"""Asks for the stacks. faulthandler refuses SIGABRT, and runs in C: it works while the main
thread is held by C code. macOS has no real-time signals, and there no stacks."""

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT)
_IGNORED = (signal.SIGHUP, signal.SIGUSR2, signal.SIGWINCH, signal.SIGTTIN, signal.SIGTTOU)


F_SETSIG: int | None = getattr(fcntl, "F_SETSIG", None)
"""Says which signal an event of a descriptor sends (Linux)."""

Handler = Callable[[int, FrameType | None], object]


def signal_end_of_master(report: int) -> None:
    """Have SIGURG sent to this process as soon as its master has ended (Linux).

    The master has the only reading end of the pipe. The signal reaches a worker that is inside a
    long call of the application, which a look once a second does not.

    :param report: the writing end.
    """
    if F_SETSIG is None:
        return
    try:
        fcntl.fcntl(report, fcntl.F_SETOWN, os.getpid())
        # Not SIGIO, which would end the process when Python has taken the handlers away.
        fcntl.fcntl(report, F_SETSIG, signal.SIGURG)
        fcntl.fcntl(report, fcntl.F_SETFL, fcntl.fcntl(report, fcntl.F_GETFL) | os.O_ASYNC)
    except OSError:
        return  # a kernel that cannot: the next heartbeat finds the same


@contextmanager
def held_back() -> Iterator[None]:
    """Let signals that end a worker wait, for code that would swallow what a handler raises.

    What waits is the handler, not the signal. Python's handlers run in the main thread, whichever
    thread the kernel has chosen for the signal, so that blocking it in one thread would not do.
    Where there is no Python handler, a signal acts as ever: there is nothing to swallow then.

    To be used in the main thread. The handlers run at the end, in the order of arrival; when one
    of them raises, those after it do not.
    """
    handlers: dict[int, Handler] = {}
    arrived: list[int] = []
    waiting = True

    def on_signal(number: int, frame: FrameType | None) -> None:
        if waiting:
            arrived.append(number)
        else:
            handlers[number](number, frame)

    try:
        for ending in _ENDING:
            handler = signal.getsignal(ending)
            if callable(handler):  # neither SIG_DFL, SIG_IGN nor one that C code has set
                handlers[ending] = handler
                signal.signal(ending, on_signal)
        yield
    finally:
        # From now on all of them act: also if one raises while they are put back.
        waiting = False
        for number, act in handlers.items():
            signal.signal(number, act)
        for number in arrived:
            handlers[number](number, None)


class SignalHandlers:
    """The handlers of one worker; they run in its main thread, between two bytecodes.

    :param report: the descriptor that takes the stacks.
    """

    def __init__(self, worker: Worker, report: int) -> None:
        self._worker = worker
        self._report = report
        self._leaving_soon = False
        self._handlers: dict[int, Handler] = {
            signal.SIGTERM: self.on_term,
            signal.SIGINT: self.on_quit,
            signal.SIGQUIT: self.on_quit,
            signal.SIGABRT: self.on_abort,
            signal.SIGUSR1: self.on_usr1,
            signal.SIGURG: self.on_urg,
            # Not SIG_IGN: programs that the application starts would inherit that.
            **dict.fromkeys(_IGNORED, self.on_ignored),
        }

    def install(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        if DUMP_SIGNAL is not None:
            faulthandler.register(DUMP_SIGNAL, file=self._report, all_threads=True)
        self._tell_unraisable = sys.unraisablehook
        sys.unraisablehook = self.on_unraisable

    def remove(self) -> None:
        """Restore what Python does on these signals, in a process that was forked by a worker."""
        for number, handler in self._handlers.items():
            # The second after retire().
            if signal.getsignal(number) in (handler, self.on_ignored):
                signal.signal(number, signal.SIG_DFL)
        if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        # Or a signal to that process would wake the worker, with which it shares the pipe.
        signal.set_wakeup_fd(-1)

    def retire(self) -> None:
        """Let no further signal interrupt the way out."""
        for number in _ENDING:
            signal.signal(number, self.on_ignored)
        if self._leaving_soon:
            # The interpreter's end resets the handler, and the timer would kill the process then.
            signal.setitimer(signal.ITIMER_REAL, 0)

    def on_term(self, number: int, frame: FrameType | None) -> None:
        self._worker.alive = False
        if not self._worker.booted:
            # Nothing has begun that could be finished, and the application's import may be long.
            raise WorkerQuit(0)
        # The loop looks at alive when it wakes. It does already, unless a library's loop has taken
        # the process's wake-up descriptor.
        self._worker.wakeup.wake()
        # Not when the loop gets to it: it may be in the application for as long as it may take.
        self._worker.refuse_clients()

    def on_quit(self, number: int, frame: FrameType | None) -> None:
        self._worker.run_soon(partial(self._leave, "worker_int", 0))

    def on_abort(self, number: int, frame: FrameType | None) -> None:
        self._worker.aborted = True
        self._worker.run_soon(partial(self._leave, "worker_abort", 1))

    def on_usr1(self, number: int, frame: FrameType | None) -> None:
        self._worker.run_soon(self._worker.log.reopen_files)

    def on_urg(self, number: int, frame: FrameType | None) -> None:
        # It also comes when the master has read from the pipe. Not getppid(): a process that ends
        # closes its pipes before its children are given to another.
        pipe = poll()
        pipe.register(self._report, 0)
        if pipe.poll(0):
            self._worker.run_soon(partial(self._worker.look_for_master, gone=True))

    def on_ignored(self, number: int, frame: FrameType | None) -> None:
        """Do nothing, but interrupt the poller as any handler does."""

    def on_unraisable(self, lost: sys.UnraisableHookArgs) -> None:
        """Leave once more, when the order to was given in a ``__del__`` or a weakref's callback.

        Nothing that is raised there gets any further.
        """
        order = lost.exc_value
        if not isinstance(order, WorkerQuit):
            self._tell_unraisable(lost)
            return

        def leave(number: int, frame: FrameType | None) -> None:
            raise order

        self._leaving_soon = True
        signal.signal(signal.SIGALRM, leave)
        # Not at once: that would be in here, and lost too.
        signal.setitimer(signal.ITIMER_REAL, 0.01)

    def _leave(self, hook: str, status: int) -> None:
        self._worker.alive = False
        # A second signal must not interrupt the hook, nor the clean-up that follows.
        self.retire()
        self._worker.hooks.call(hook, worker=self._worker)
        raise WorkerQuit(status)
