"""Waiting for a condition, with a deadline, and looking at processes through /proc."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Event
from typing import TypeVar

Result = TypeVar("Result")

DEADLINE = float(os.environ.get("CORN_TESTKIT_DEADLINE", "30"))
"""Seconds after which a condition that has not come true is a failure. A healthy server needs
a small part of it; the rest is for a busy machine. The variable is for one that needs more."""

_LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp."""

_never = Event()


def wait_for(condition: Callable[[], Result], what: str, deadline: float = DEADLINE) -> Result:
    """Return the condition's first true result.

    :param what: the end of the sentence "waited in vain for ...".
    :raises AssertionError: when there is none within ``deadline`` seconds.
    """
    end = time.monotonic() + deadline
    while not (result := condition()):
        assert time.monotonic() < end, f"waited in vain for {what}"
        _never.wait(0.01)
    return result


def wait_for_tick() -> None:
    """Wait until the time stamp of a file that is saved now is later than all that has happened.

    Linux takes time stamps from a clock that goes on at the timer's interrupts only, so that a file
    may seem to be some milliseconds older than it is.
    """
    now = time.time()
    clock = getattr(time, "CLOCK_REALTIME_COARSE", time.CLOCK_REALTIME)
    wait_for(lambda: time.clock_gettime(clock) > now, "a tick of the clock")


def _stat(pid: int) -> list[str] | None:
    """Fields 3.. of /proc/PID/stat (proc(5)): state, parent, group, session; None when gone."""
    try:
        # Not by Path: tests look at processes a hundred times per second, and share the processor
        # with the servers that they wait for.
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command's name, in parentheses, may contain anything.
    fields = stat.rpartition(b")")[2].decode("ascii").split()
    return None if fields[0] in "ZX" else fields


def alive(pid: int) -> bool:
    """Tell whether the process runs; a zombie does not."""
    return _stat(pid) is not None


def have_ended(pids: Iterable[int]) -> bool:
    """Tell whether none of the processes runs any more."""
    return not any(map(alive, pids))


def stands_still(pid: int) -> bool:
    """Tell whether the process was stopped by a signal."""
    fields = _stat(pid)
    return fields is not None and fields[0] == "T"


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def children(pid: int) -> list[int]:
    """List the running children of a process, oldest first as far as their numbers tell."""
    found: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb", buffering=0) as file:
                found += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        # The process or a thread of it has ended, or the kernel has no such file (proc(5)).
        stats = ((each, _stat(each)) for each in _pids())
        return sorted(each for each, fields in stats if fields and int(fields[1]) == pid)
    return sorted(filter(alive, found))


def session_members(session: int) -> list[int]:
    """List the running processes of a session."""
    return sorted(pid for pid in _pids() if _session(pid) == session and alive(pid))


def _session(pid: int) -> int | None:
    # Not by reading its file, as this is asked of every process of the machine.
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def listening(port: int) -> set[str]:
    """List the inodes of the sockets that listen on a TCP port, without connecting (Linux)."""
    lines = [
        line.split()
        for table in ("/proc/net/tcp", "/proc/net/tcp6")
        if os.path.exists(table)
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return {line[9] for line in lines if line[3] == _LISTEN and line[1].endswith(f":{port:04X}")}


def polls(pid: int) -> bool:
    """Tell whether a thread of the process sleeps in a poller, as in a worker that has booted.

    Where the kernel does not say what a thread sleeps in (proc(5), wchan), it is taken for so.
    """
    try:
        return any(map(_sleeps_in_poller, Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return not alive(pid)


def _sleeps_in_poller(thread: Path) -> bool:
    # The name in parentheses may have spaces and parentheses of its own.
    state = (thread / "stat").read_text().rpartition(")")[2].split()[0]
    place = (thread / "wchan").read_text()
    if state != "S":
        return False  # it runs, and its wchan is 0 too
    return "poll" in place or place in ("", "0")


def open_descriptors(pid: int) -> int:
    """Count the files, sockets and the like that a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))
