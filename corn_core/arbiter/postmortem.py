"""Describes a worker that had to be killed, or was found dead, for the logs and hooks."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from datetime import timedelta

from corn_core.arbiter.roster import Reason, WorkerHandle
from corn_core.escape import escape
from corn_core.interfaces import Logger
from corn_core.process.cgroup import MEMBERSHIP, ROOT, Cgroup, cgroups, read
from corn_core.process.scoreboard import BOOTING, DRAINING, SlotView
from corn_core.worker.signals import DUMP_SIGNAL
from corn_core.wsgi.native import NativeResponse, make_request

TIMED_OUT = "504 Gateway Timeout"
"""The access log's status of a request whose worker was killed for taking too long. The client
got no response at all; this is what a proxy in front would have told it."""

CRASHED = "502 Bad Gateway"
"""The access log's status of a request whose worker died of something else."""

# Any of these kills a worker whose interpreter is ending, when its handlers are gone already.
# It had finished by then, and a HUP to the whole process group is nothing to report.
_GENTLE = (
    *(signal.SIGTERM, signal.SIGINT, signal.SIGQUIT),
    *(signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2),
)

_STATUS: Mapping[int, int] = {signal.SIGABRT: 1}
"""The exit status of a worker that obeys a signal, if it is not 0."""

_ORDERED = {Reason.RELOAD: "reload", Reason.SURPLUS: "surplus", Reason.STOP: "stop"}


def activity(view: SlotView, now: float) -> str:
    """Describe what a worker is doing, by its slot of the scoreboard."""
    if view.request_started:
        took = now - view.request_started
        return f"handling {escape(view.method)} {escape(view.path)} for {took:.1f} seconds"
    if view.state == BOOTING:
        return "booting"
    if view.state == DRAINING:
        return "draining"
    # The first mistake of a worker's author, and one that looks like a worker that hangs.
    return "between requests" if view.heartbeat else "and has never called notify()"


def log_lost_request(log: Logger, view: SlotView, now: float, status: str) -> None:
    """Write the access line of the request that a worker takes with it, if there is one."""
    if view.request_started and log.access_enabled:
        seconds = max(0.0, now - view.request_started)
        # As much as the scoreboard knows of it.
        request = make_request(view.method, view.path, (1, 1), ())
        response = NativeResponse(status, (), 0)
        response.duration = seconds
        log.access(response, request, {}, timedelta(seconds=seconds))


def is_expected(handle: WorkerHandle, exit_code: int) -> bool:
    """Tell whether the master, an operator or the worker's own report had announced this death."""
    signals = {
        **dict.fromkeys(_GENTLE, handle.retiring),
        signal.SIGABRT: handle.aborted_at is not None,
        signal.SIGKILL: handle.killed_at is not None,
    }
    if handle.signalled and exit_code in (-handle.signalled, _STATUS.get(handle.signalled, 0)):
        return True
    if exit_code >= 0:
        return handle.failed or handle.retiring or handle.aborted_at is not None
    if DUMP_SIGNAL is not None and -exit_code == DUMP_SIGNAL:
        # It had not got as far as installing its handlers.
        return handle.dumped_at is not None
    return any(-exit_code == number and sent for number, sent in signals.items())


def exit_reason(handle: WorkerHandle, exit_code: int, oom_counted: bool) -> str:
    """Return why a worker has ended, as a word of :func:`corn_core.hookspecs.child_exit`.

    :param oom_counted: True if the kernel has just killed a process for want of memory.
    """
    if handle.aborted_at is not None:
        return "timeout" if handle.ready_at is not None else "boot"
    if handle.killed_at is not None:
        return "graceful_timeout"
    if handle.signalled and not handle.retiring and is_expected(handle, exit_code):
        return "killed"
    if exit_code == -signal.SIGKILL:
        return "oom" if oom_counted else "killed"
    if handle.reason is not None and is_expected(handle, exit_code):
        return handle.wear if handle.reason is Reason.RECYCLE else _ORDERED[handle.reason]
    if handle.ready_at is None:
        return "boot"
    if exit_code == 0:
        return "exited"
    return "killed" if -exit_code in _GENTLE else "crashed"


def describe_exit(exit_code: int) -> str:
    """Word an exit status (negative: the signal) as the end of a sentence about a worker."""
    if exit_code >= 0:
        return f"exited with code {exit_code}"
    return f"was sent {signal_name(-exit_code)}"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # most real-time signals have no name of their own
        return f"signal {number}"


class OomCounter:
    """The number of times that the kernel's OOM killer has killed a process of our cgroup.

    The kernel counts every such kill, whichever limit was behind it (the documentation of
    cgroup-v2, ``memory.events``; for version 1, ``memory.oom_control``).

    :ivar has_moved: True if it had counted one at the last look.
    """

    def __init__(self, membership: str = MEMBERSHIP, root: str = ROOT) -> None:
        self.has_moved = False
        self._files = [
            file for each in cgroups("memory", membership, root) for file in _counter_files(each)
        ]
        self._last = self._count()

    def look(self) -> str:
        """Read the counter, and say what it means for a SIGKILL since the last look."""
        before, now = self._last, self._count()
        self.has_moved = before is not None and now is not None and now > before
        if now is None:
            # What was counted before stays: the next look, which may succeed, is compared with it.
            return "Perhaps it was out of memory"
        self._last = now
        if before is None:
            return "Perhaps it was out of memory"
        if self.has_moved:
            return f"Out of memory: its cgroup's count of oom_kill went from {before} to {now}"
        return "Not sent by this server; its cgroup's count of oom_kill has not moved"

    def _count(self) -> int | None:
        for path in self._files:
            for line in read(path).splitlines():
                name, _, value = line.partition(" ")
                if name == "oom_kill" and value.strip().isdigit():
                    return int(value)
        return None


def _counter_files(cgroup: Cgroup) -> tuple[str, str]:
    """Return the files that may have the counter."""
    name = "memory.events" if cgroup.version == 2 else "memory.oom_control"
    return f"{cgroup.root}{cgroup.path.rstrip('/')}/{name}", f"{cgroup.root}/{name}"
