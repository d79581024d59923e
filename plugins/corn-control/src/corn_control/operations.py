"""The commands that a server with a control socket has.

What a signal does is done by that signal, which the master sends to itself: an order that comes by
the socket cannot mean anything else than one that comes by kill(1). What is added is the answer.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

from corn_control import views
from corn_control.shared import Shared, set_level
from corn_core import __version__
from corn_core.plugin import (
    LOG_LEVELS,
    MAX_WORKERS,
    Command,
    CommandError,
    Expected,
    Parser,
    boolean,
    described_config,
    integer,
    one_of,
    optional,
)
from corn_core.typing import Server

REPORT = "successor-serves"
"""The command by which a new master tells the one before it that it serves."""

QUIET = ("commands", "config", "requests", "status", "workers", REPORT)
"""The commands that change nothing, and are not worth a line in the log."""

STACKS = 0.5
"""Seconds after which a worker has written its stacks, if it can at all."""

SIGNALS = {
    "term": signal.SIGTERM,
    "quit": signal.SIGQUIT,
    "abrt": signal.SIGABRT,
    "kill": signal.SIGKILL,
}
"""What ``kill`` may send to a worker."""

Arguments = Mapping[str, Any]
Answer = dict[str, Any]
Check = Callable[[], Answer | None]


class Events:
    """Keeps what has happened to the server, as far as commands wait for it.

    :ivar served: the number of the last generation with as many workers as wanted.
    :ivar successor: the process id of a new master that has reported that it serves.
    :ivar over: True once the workers are gone, and the master is about to exit.
    """

    def __init__(self) -> None:
        self.served = 0
        self.successor = 0
        self.over = False
        self._failures: list[tuple[int, str]] = []

    def fail(self, generation: int, reason: str) -> None:
        """Note that a reload was given up; ``generation`` is in force again."""
        self._failures.append((generation, reason))

    @property
    def failures(self) -> int:
        """The number of reloads that have failed so far."""
        return len(self._failures)

    def failure_of(self, asked: int, since: int) -> str | None:
        """Return why a reload has failed that was asked for while ``asked`` was in force.

        A failure that leaves a later generation in force is another reload's.
        """
        reasons = (why for generation, why in self._failures[since:] if generation <= asked)
        return next(reasons, None)


def offered(server: Server) -> dict[str, Command]:
    """Return the commands that plugins add.

    :raises CommandError: when one adds something else.
    """
    found: dict[str, Command] = {}
    for several in server.hooks.call("corn_commands"):
        for command in several:
            if not isinstance(command, Command):
                raise CommandError(f"corn_commands of a plugin returned {command!r}, not a Command")
            found.setdefault(command.name, command)
    return found


def understood(given: Arguments, **parsers: Parser) -> list[Any]:
    """Parse the arguments of a command.

    :raises CommandError: when one is unknown, missing or of no use.
    """
    for name in given.keys() - parsers.keys():
        known = ", ".join(parsers) or "none"
        raise CommandError(f"there is no argument {name!r}; known: {known}")
    found = []
    for name, parse in parsers.items():
        try:
            found.append(parse(given.get(name)))
        except Expected as expected:
            got = repr(given[name]) if name in given else "nothing"
            raise CommandError(f"{name}: expected {expected}, got {got}") from None
    return found


def size(raw: object) -> tuple[bool, int]:
    """Parse a number of workers; returns whether it is relative, and the number.

    Text with a sign is relative: ``+1`` and ``-1``.
    """
    expected = Expected(f"a number of workers from 0 to {MAX_WORKERS}, or +N or -N")
    relative = isinstance(raw, str) and raw.strip()[:1] in ("+", "-")
    try:
        number = int(raw) if isinstance(raw, str | int) and not isinstance(raw, bool) else None
    except ValueError:
        raise expected from None
    if number is None or abs(number) > MAX_WORKERS or (number < 0 and not relative):
        raise expected
    return relative, number


def _switch(raw: object) -> bool:
    return raw is not None and boolean(raw)


class Operations:
    """The commands, for one server."""

    def __init__(self, shared: Shared, events: Events) -> None:
        self._shared = shared
        self._events = events
        self._started = monotonic()

    def commands(self) -> dict[str, Command]:
        """Return all of them by name."""
        listed = (
            Command("status", "show how the server is", self.status),
            Command("workers", "list the workers", self.workers),
            Command("requests", "show what each worker does now", self.requests),
            Command("config", "show the settings, and where they came from", self.config),
            Command("commands", "list the commands, those of plugins too", self.list),
            Command("reload", "read the configuration again and replace the workers", self.reload),
            Command("upgrade", "replace the master by a new one", self.upgrade),
            Command("scale", "change the number of workers", self.scale),
            Command("drain", "finish what has begun, and stop the server", self.drain),
            Command("log-level", "change the level of the error log", self.log_level),
            Command("reopen-logs", "open the log files anew, after they were moved", self.reopen),
            Command("stacks", "show what the threads of a worker do", _stacks),
            Command("recycle", "replace a worker, which serves until then", _recycle),
            Command("kill", "end a worker; another takes its place", _kill),
            Command(REPORT, "said by a new master to the one before it", self.successor_serves),
        )
        return {command.name: command for command in listed}

    # -- looking -----------------------------------------------------------------------------

    def status(self, server: Server, given: Arguments) -> Answer:
        understood(given)
        workers = server.snapshot()
        counted = views.census(workers, server.num_workers, server.generation)
        served = bool(self._events.served)
        return {
            "version": __version__,
            "pid": server.pid,
            "name": server.proc_name,
            "state": views.state_of(counted, bool(server.stopping), served),
            "generation": server.generation,
            "worker_class": server.worker_name,
            "workers": counted._asdict(),
            "uptime": round(monotonic() - self._started, 3),
            "listeners": [{"url": str(each), "queued": each.queued()} for each in server.LISTENERS],
            "predecessor": server.predecessor or None,
            "successor": server.successor or None,
            "connections": sum(worker.connections for worker in workers),
            "in_flight": sum(worker.in_flight for worker in workers),
            "durations": views.durations_row(self._shared.durations()),
        }

    def workers(self, server: Server, given: Arguments) -> Answer:
        understood(given)
        now, durations = monotonic(), self._shared.durations_of
        rows = [views.worker_row(each, durations(each.slot), now) for each in server.snapshot()]
        return {"workers": rows}

    def requests(self, server: Server, given: Arguments) -> Answer:
        understood(given)
        return {"requests": views.request_rows(server.snapshot(), monotonic())}

    def config(self, server: Server, given: Arguments) -> Answer:
        understood(given)
        cfg = server.cfg
        return {"settings": views.config_rows(described_config(cfg), cfg.as_dict())}

    def list(self, server: Server, given: Arguments) -> Answer:
        understood(given)
        known = {**offered(server), **self.commands()}
        del known[REPORT]  # which is not for people
        listed = [{"name": each.name, "help": each.help} for each in known.values()]
        return {"commands": sorted(listed, key=lambda each: each["name"])}

    # -- the whole server --------------------------------------------------------------------

    def reload(self, server: Server, given: Arguments) -> Check:
        understood(given)
        _refuse_while_stopping(server)
        asked, since = server.generation, self._events.failures
        signal.raise_signal(signal.SIGHUP)

        def done() -> Answer | None:
            reason = self._events.failure_of(asked, since)
            if reason is not None:
                raise CommandError(f"the reload failed, and the server goes on as it was: {reason}")
            _refuse_while_stopping(server)
            if self._events.served <= asked:
                return None
            served = self._events.served
            return {"generation": served, "message": f"generation {served} serves"}

        return done

    def upgrade(self, server: Server, given: Arguments) -> Check:
        (keep,) = understood(given, keep=_switch)
        _refuse_while_stopping(server)
        other = server.predecessor or server.successor
        if other:
            raise CommandError(f"an upgrade has begun already: there is another master, {other}")
        if server.pid == 1 and not keep:
            raise CommandError("this master is process 1: when it ends, so does its successor")
        self._events.successor = 0
        signal.raise_signal(signal.SIGUSR2)
        told = False

        def done() -> Answer | None:
            nonlocal told
            pid = server.successor
            if not pid:
                raise CommandError("the new master has not started; the log says why")
            if self._events.successor != pid:
                return None
            if keep:
                return {"pid": pid, "message": f"master {pid} serves, beside master {server.pid}"}
            if not told:
                told = True
                signal.raise_signal(signal.SIGTERM)
            if not self._events.over:
                return None
            return {"pid": pid, "message": f"master {pid} serves, in the place of {server.pid}"}

        return done

    def successor_serves(self, server: Server, given: Arguments) -> Answer:
        (pid,) = understood(given, pid=integer(1))
        if pid != server.successor:
            raise CommandError(f"{pid} is not a master that this one has started")
        self._events.successor = pid
        return {"message": "noted"}

    def scale(self, server: Server, given: Arguments) -> Check:
        ((relative, number),) = understood(given, workers=size)
        _refuse_while_stopping(server)
        wanted = server.num_workers + number if relative else number
        if not 0 <= wanted <= MAX_WORKERS:
            raise CommandError(f"workers: {wanted} is not between 0 and {MAX_WORKERS}")
        server.resize(wanted)

        def done() -> Answer | None:
            if server.num_workers != wanted:
                raise CommandError(f"{server.num_workers} workers are wanted meanwhile")
            counted = views.census(server.snapshot(), wanted, server.generation)
            if not counted.complete:
                return None
            return {"workers": wanted, "message": str(counted)}

        return done

    def drain(self, server: Server, given: Arguments) -> Check:
        (quick,) = understood(given, quick=_switch)
        signal.raise_signal(signal.SIGQUIT if quick else signal.SIGTERM)
        return lambda: {"message": "the server has stopped"} if self._events.over else None

    def reopen(self, server: Server, given: Arguments) -> Check:
        understood(given)
        signal.raise_signal(signal.SIGUSR1)
        # By the time of the first look the signal has been obeyed.
        return lambda: {"message": "the log files are open anew"}

    def log_level(self, server: Server, given: Arguments) -> Answer:
        (level,) = understood(given, level=one_of(*LOG_LEVELS))
        if not set_level(server.log, LOG_LEVELS[level]):
            name = type(server.log).__name__
            raise CommandError(f"the logger class {name} has no level that can be changed")
        self._shared.level = LOG_LEVELS[level]
        return {"level": level, "message": f"the log's level is {level} until the next reload"}


# -- commands for one worker --------------------------------------------------------


def _stacks(server: Server, given: Arguments) -> Check:
    (pid,) = understood(given, pid=integer(1))
    _find(server, pid)
    if not server.ask_for_stacks(pid):
        raise CommandError(
            f"worker {pid} cannot be asked now: it boots, is about to be aborted, or the"
            " system has no real-time signals"
        )
    ready, text = monotonic() + STACKS, ""

    def done() -> Answer | None:
        nonlocal text
        if monotonic() < ready:
            return None
        text += server.take_stacks(pid)
        if not text:
            _find(server, pid)
            return None
        return {"pid": pid, "stacks": text}

    return done


def _recycle(server: Server, given: Arguments) -> Check:
    (pid,) = understood(given, pid=integer(1))
    _refuse_while_stopping(server)
    _find(server, pid)
    if not server.recycle(pid, "operator"):
        raise CommandError(f"worker {pid} does not serve, or is being replaced already")
    return _gone(server, pid, "has been replaced")


def _kill(server: Server, given: Arguments) -> Check:
    pid, name = understood(given, pid=integer(1), signal=optional(one_of(*SIGNALS)))
    _find(server, pid)
    server.signal_worker(pid, SIGNALS[name or "term"])
    return _gone(server, pid, "has ended")


def _gone(server: Server, pid: int, what: str) -> Check:
    def done() -> Answer | None:
        if pid in server.WORKERS:
            return None
        return {"pid": pid, "message": f"worker {pid} {what}"}

    return done


def _find(server: Server, pid: int) -> None:
    if pid not in server.WORKERS:
        known = ", ".join(map(str, server.WORKERS)) or "none"
        raise CommandError(f"there is no worker {pid}; the workers are {known}")


def _refuse_while_stopping(server: Server) -> None:
    if server.stopping:
        raise CommandError("the server is stopping")
