"""SIGUSR2: starts another master in the place of this one, which takes over or is dropped.

    old master ── fork ── pre_exec ── exec ── new master, with the same sockets: both serve
        TERM to the old one:  the new one finds that its parent has changed, and is the master
        TERM to the new one:  the old one reaps it, and everything is as it was before

Nothing is given up for the new master: whatever is wrong with it, the old one continues.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from corn_core.arbiter.postmortem import describe_exit
from corn_core.arbiter.reload import Reload
from corn_core.arbiter.server import ServerState
from corn_core.arbiter.workers import fork
from corn_core.errors import CornError
from corn_core.net import Listener
from corn_core.process.environment import ProcessEnvironment
from corn_core.process.handover import VARIABLE, Handover, take_handover
from corn_core.process.output import flush_output
from corn_core.process.signals import SignalQueue

CANCELLED = 1
"""The exit status of a process that has not become a master."""

_FOR_PID = ("LISTEN_PID", "WATCHDOG_PID")
"""Variables of a service manager that say for which process its others are."""


class Upgrade:
    """Starts the next master, and notices when one of the two has gone.

    :param server: the master.
    :param process: how it was started, and so how the next one is.
    """

    def __init__(
        self,
        server: ServerState,
        reloading: Reload,
        signals: SignalQueue,
        process: ProcessEnvironment,
    ) -> None:
        self._server = server
        self._reloading = reloading
        self._peer = reloading.peer
        self._signals = signals
        self._process = process

    def open(self) -> None:
        """Take what the master before this one has handed over, if there is one.

        :raises CornError: when that cannot be used.
        """
        self._reloading.take_over(take_handover(os.environ, self._server.pid))
        if self._peer.predecessor:
            self._server.log.info(
                "Upgrade: the old master is (pid:%s); TERM to it completes the upgrade, TERM to"
                " this one, the new master, undoes it",
                self._peer.predecessor,
            )

    # -- starting the next one -------------------------------------------------------

    def start(self) -> None:
        """Start a new master, unless there are two already.

        Whatever fails here, or later in the child, is logged, and this master continues.
        """
        log = self._server.log
        self.look()
        if self._peer.refusal:
            log.warning("No upgrade: %s", self._peer.refusal)
            return
        # The sockets are marked, and the pidfile is moved, before there is another process that
        # might come upon them.
        self._peer.share(self._server.LISTENERS)
        try:
            self._step_aside()
            pid = fork(self._signals)
        except (CornError, OSError) as error:
            log.error("No upgrade: %s", error)
            self._end()
            return
        if pid == 0:
            self._become_the_next()
        self._signals.let_go()
        self._peer.successor = pid
        log.info("Upgrade: the new master is (pid:%s)", pid)
        if self._server.pid == 1:
            log.warning("This master is process 1: when it ends, so does everything in here")

    def _step_aside(self) -> None:
        if self._server.cfg.pidfile_scheme == "oldbin":
            self._peer.aside = True
            self._reloading.write_pidfile()

    def _become_the_next(self) -> NoReturn:
        """Execute, in the child, the command that this master was started with.

        The child must not return from here, into the loop of a master: it ends, whatever
        happens. A plain exit would run what the application registered with atexit.
        """
        try:
            # Handlers go with this program, but signals that are ignored or blocked stay so in
            # the next one, which could then never be told to stop.
            self._signals.restore()
            self._signals.let_go()
            self._server.hooks.call("pre_exec", server=self._server)
            self._execute(self._server.LISTENERS)
        except CornError as error:
            self._server.log.error("%s", f"{error}\n{error.details}".rstrip())
        except BaseException:
            # Also a SystemExit of the hook's, which does not make this a master either.
            self._server.log.exception("The new master cannot be started")
        finally:
            flush_output()
            os._exit(CANCELLED)

    def _execute(self, listeners: Sequence[Listener]) -> None:
        # Sockets that were passed to this master need no mention: the variables that say so are
        # passed on too, and the numbers of all descriptors stay the same.
        opened = [each for each in listeners if not each.inherited]
        sockets = tuple((each.fileno(), str(each.address)) for each in opened)
        handover = Handover(os.getppid(), sockets)
        environ = {**self._process.start_environ, VARIABLE: handover.encode(os.getpid())}
        for name in _FOR_PID:
            # It was meant for the old master, so it is meant for the one in its place.
            if environ.get(name) == str(os.getppid()):
                environ[name] = str(os.getpid())
        for each in listeners:
            # Not in the master, which would pass them on to any program that it starts.
            os.set_inheritable(each.fileno(), True)
        # By the name it had at the start: behind a link there may be a new release by now.
        os.chdir(self._process.start_directory)
        # What is buffered would be lost with this program.
        flush_output()
        # With the interpreter's own options, such as -m, which sys.argv lacks.
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)

    # -- noticing the end of one -----------------------------------------------------

    def look(self) -> None:
        """Notice when the other master is gone; the loop calls this in every cycle."""
        peer = self._peer
        if peer.successor:
            self._reap()
        elif peer.predecessor and os.getppid() != peer.predecessor:
            self._server.log.info(
                "Upgrade: the old master (pid:%s) is gone, and this one takes its place",
                peer.predecessor,
            )
            self._end()

    def _reap(self) -> None:
        pid, log = self._peer.successor, self._server.log
        try:
            reaped, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            # Other code in this process has waited for any child, and took its status.
            log.warning("Upgrade: the new master (pid:%s) is gone", pid)
            self._end()
            return
        if reaped:
            exit_code = os.waitstatus_to_exitcode(status)
            say = log.error if exit_code else log.info
            say("Upgrade: the new master (pid:%s) %s", pid, describe_exit(exit_code))
            self._end()

    def _end(self) -> None:
        """Be the only master again."""
        gone = self._peer.predecessor or self._peer.successor
        self._peer.part()
        self._reloading.apply(gone)

    def close(self) -> None:
        """At the end, with the sockets closed, leave nothing but what the other master needs."""
        self.look()
        self._peer.close()
