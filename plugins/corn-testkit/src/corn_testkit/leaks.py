"""Fails the very test that does not leave its process as it found it.

What one test leaves behind makes another one fail, on some days and in some orders. So the state
of the process is compared before and after each test, with the fixtures of the test itself inside
and those of its module or session outside. It is off unless ``corn_leaks = true`` stands in
pytest's configuration.

Some things come late without being left behind, and are known here: the end of a thread or process
that has been told to end, what waits to be collected as garbage, and the handlers of a logger that
a library made when it was imported.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic

import pytest

from corn_testkit.launcher import fork_servers
from corn_testkit.waiting import DEADLINE

State = Mapping[str, object]

GRACE = DEADLINE / 6
"""Seconds for what has been told to end, and may need the processor for that."""

OF_PYTEST = {"PYTEST_CURRENT_TEST"}
"""Variables that pytest sets anew in each phase of a test."""

_never = threading.Event()


def threads() -> State:
    """List the threads by the kernel's number, also those that threading does not know."""
    names = {str(thread.native_id): thread.name for thread in threading.enumerate()}
    try:
        return {number: names.get(number, "?") for number in os.listdir("/proc/self/task")}
    except FileNotFoundError:
        return names  # not Linux


def children() -> State:
    """List the child processes, including zombies, which a test has to wait for."""
    found: dict[str, object] = {}
    for task in _listed("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/children", encoding="ascii") as file:
                found |= dict.fromkeys(file.read().split(), "running, or not waited for")
        except OSError:
            continue  # the thread has ended, or the kernel does not tell
    for pid in fork_servers():
        found.pop(str(pid), None)
    return found


def descriptors() -> State:
    """Count what is open; under which numbers does not matter.

    A file that is closed and opened again, as pytest's own log is by a test of that, may get
    another number.
    """
    found: dict[str, object] = {}
    count: Counter[str] = Counter()
    of_the_run = {str(fd) for fd in fork_servers().values()}
    for fd in {*(_listed("/proc/self/fd") or _listed("/dev/fd"))} - of_the_run:
        try:
            target = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue  # that of the listing
        except OSError:
            target = "a descriptor"  # not Linux
        count[target] += 1
        found[target if count[target] == 1 else f"{target}, {count[target]} times"] = f"as {fd}"
    return found


def _listed(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except FileNotFoundError:
        return []


def signals() -> State:
    """Handlers, the mask of this thread, the wake-up descriptor and the timer."""
    found: dict[str, object] = {name: signal.getsignal(number) for name, number in _SIGNALS}
    found["blocked signals"] = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    # It cannot be asked for otherwise.
    found["wake-up descriptor"] = wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    found["timer"] = signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)
    return found


_SIGNALS = [
    (f"handler of {getattr(number, 'name', number)}", number)
    for number in sorted(signal.valid_signals())
]


def surroundings() -> State:
    """Working directory, umask and environment."""
    umask = os.umask(0o077)
    os.umask(umask)
    variables = {f"${name}": value for name, value in os.environ.items() if name not in OF_PYTEST}
    try:
        directory = os.getcwd()
    except FileNotFoundError:
        directory = "removed"
    return {"working directory": directory, "umask": oct(umask), **variables}


def loggers() -> State:
    """List the loggers that are not as logging makes them."""
    found: dict[str, object] = {"logging.disable()": logging.root.manager.disable}
    for logger in (logging.root, *logging.root.manager.loggerDict.values()):
        # A logger that exists only as the parent of others has a placeholder. Most of the others,
        # which are hundreds, have nothing of their own, and are passed over at once.
        if isinstance(logger, logging.Logger) and not (
            logger.propagate
            and not (logger.level or logger.disabled or logger.handlers or logger.filters)
        ):
            state = _state_of(logger)
            if state != _UNTOUCHED:
                found[f"logger {logger.name}"] = state
    return found


def _state_of(logger: logging.Logger) -> tuple[object, ...]:
    # A library's logger gets its NullHandler when the library is imported, which does nothing, and
    # pytest adds its own handlers to each logger that does not propagate, whenever it sees one.
    handlers = [
        each
        for each in logger.handlers
        if type(each) is not logging.NullHandler and not type(each).__module__.startswith("_pytest")
    ]
    return (logger.level, logger.propagate, logger.disabled, handlers, logger.filters[:])


_UNTOUCHED: tuple[object, ...] = (logging.NOTSET, True, False, [], [])

LEFT: dict[str, Callable[[], State]] = {
    "thread": threads,
    "child process": children,
    "descriptor": descriptors,
}
"""What may go on after a test only if it was there before."""

CHANGED: dict[str, Callable[[], State]] = {
    "signals": signals,
    "surroundings": surroundings,
    "logging": loggers,
}
"""What has to be after a test as it was before."""


class Snapshot:
    """The state of the process at one moment."""

    def __init__(self) -> None:
        self._left = {kind: look() for kind, look in LEFT.items()}
        self._changed = {kind: look() for kind, look in CHANGED.items()}

    def differences(self) -> list[str]:
        """List what is not as it was then, one line for each."""
        return [*self._leftovers(), *self._changes()]

    def settled(self) -> list[str]:
        """List the differences that stay, after a time for what is about to end."""
        if not (found := self.differences()):
            return found
        gc.collect()
        end = monotonic() + GRACE
        # One look decides: between two, what was found in the first may end.
        while (left := [*self._leftovers()]) and monotonic() < end:
            _never.wait(0.005)
        return [*left, *self._changes()]

    def _leftovers(self) -> Iterator[str]:
        for kind, look in LEFT.items():
            before = self._left[kind]
            for name, what in look().items():
                if name not in before:
                    yield f"{kind} {name} is left behind: {what}{_details(kind, name)}"

    def _changes(self) -> Iterator[str]:
        for kind, look in CHANGED.items():
            before, after = self._changed[kind], look()
            if before == after:
                continue
            for name in sorted(before.keys() | after.keys()):
                was, now = before.get(name, "not set"), after.get(name, "not set")
                if was != now:
                    yield f"{name} is changed: it was {was}, and is {now}"


def _details(kind: str, name: str) -> str:
    if kind != "child process":
        return ""
    try:
        command = Path(f"/proc/{name}/cmdline").read_bytes()
    except OSError:
        return ""
    return f": {command.replace(bytes(1), b' ').decode(errors='replace')}" if command else ""


class LeakCheck:
    """The plugin of pytest that does it."""

    @pytest.fixture(autouse=True)
    def _leaves_nothing_behind(self) -> Iterator[None]:
        before = Snapshot()
        yield
        if found := before.settled():
            pytest.fail("the test leaves traces:\n  " + "\n  ".join(found), pytrace=False)
