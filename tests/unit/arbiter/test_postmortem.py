"""Explain workers that were killed or found dead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from signal import SIGABRT, SIGHUP, SIGKILL, SIGQUIT, SIGRTMIN, SIGSEGV, SIGTERM

import pytest

from corn_core.arbiter.policy import Abort, Action, Dump, Kill, Quit, Term, note
from corn_core.arbiter.postmortem import (
    TIMED_OUT,
    OomCounter,
    activity,
    describe_exit,
    exit_reason,
    is_expected,
    log_lost_request,
)
from corn_core.arbiter.roster import Reason, WorkerHandle
from corn_core.process.scoreboard import BOOTING, DRAINING, IDLE, SlotView
from tests.unit.arbiter.fixtures import Lines
from tests.unit.arbiter.workers import NOW, booting, failed, ready, roster_of, worn


def view(state: int = IDLE, started: float = 0.0, path: str = "/shop?x=1") -> SlotView:
    return SlotView(NOW, state, 7, 1, started, "GET", path, in_flight=bool(started))


def test_activity() -> None:
    assert activity(view(started=NOW - 2), NOW) == "handling GET /shop?x=1 for 2.0 seconds"
    assert activity(view(), NOW) == "between requests"
    assert activity(view()._replace(heartbeat=0.0), NOW) == "and has never called notify()"
    assert activity(view(BOOTING), NOW) == "booting"
    assert activity(view(DRAINING), NOW) == "draining"


def test_a_path_cannot_forge_a_line() -> None:
    told = activity(view(started=NOW, path='/a\n[CRITICAL] "b"'), NOW)
    assert told == r"handling GET /a\x0a[CRITICAL] \"b\" for 0.0 seconds"


def test_a_lost_request_has_an_access_line() -> None:
    log = Lines()
    log_lost_request(log, view(), NOW, TIMED_OUT)
    assert log.requests == []
    log_lost_request(log, view(started=NOW - 3), NOW, TIMED_OUT)
    ((response, request, took),) = log.requests
    assert request is not None
    assert (request.method, request.uri) == ("GET", "/shop?x=1")
    assert (response.status_code, response.sent, took) == (504, 0, timedelta(seconds=3))


def test_no_access_line_when_nobody_reads_it() -> None:
    log = Lines()
    log.access_enabled = False
    log_lost_request(log, view(started=NOW), NOW, TIMED_OUT)
    assert log.requests == []


term = Term(1, Reason.STOP)
EXITS: dict[str, tuple[list[Action], int, bool]] = {
    "by itself": ([], 0, False),
    "with an error": ([], 1, False),
    "killed from outside": ([], -SIGKILL, False),
    "crashed": ([], -SIGSEGV, False),
    "terminated from outside": ([], -SIGTERM, False),
    "told to go": ([term], 0, True),
    "told to go before it could listen": ([term], -SIGTERM, True),
    "hung up on from outside": ([], -SIGHUP, False),
    "hung up on from outside on the way out": ([term], -SIGHUP, True),
    "crashed on the way out": ([term], -SIGSEGV, False),
    "killed from outside on the way out": ([term], -SIGKILL, False),
    "told to quit": ([Quit(1)], -SIGQUIT, True),
    "killed at its deadline": ([term, Kill(1)], -SIGKILL, True),
    "aborted": ([Dump(1), Abort(1)], 1, True),
    "aborted before it could listen": ([Dump(1), Abort(1)], -SIGABRT, True),
    "dumped before it could listen": ([Dump(1)], -SIGRTMIN, True),
    "sent the dump signal from outside": ([], -SIGRTMIN, False),
    "crashed while it was stuck": ([Dump(1)], -SIGSEGV, False),
}


@pytest.mark.parametrize("case", EXITS)
def test_which_ends_were_expected(case: str) -> None:
    actions, exit_code, expected = EXITS[case]
    roster = roster_of([ready])
    for action in actions:
        note(roster, action, NOW)
    assert is_expected(roster[1], exit_code) is expected


def test_the_end_of_a_worker_that_has_said_why() -> None:
    roster = roster_of([failed, booting])
    assert is_expected(roster[1], 4)
    assert not is_expected(roster[2], 4)


REASONS: dict[str, tuple[Callable[[WorkerHandle], object], list[Action], int, str]] = {
    "its requests": (worn, [Term(1, Reason.RECYCLE)], 0, "requests"),
    "a reload": (ready, [Term(1, Reason.RELOAD)], 0, "reload"),
    "a reload while it booted": (booting, [Term(1, Reason.RELOAD)], -SIGTERM, "reload"),
    "fewer wanted": (ready, [Term(1, Reason.SURPLUS)], 0, "surplus"),
    "a stop": (ready, [Quit(1)], -SIGQUIT, "stop"),
    "a crash on the way out": (ready, [Term(1, Reason.STOP)], -SIGSEGV, "crashed"),
    "silence": (ready, [Dump(1), Abort(1)], 1, "timeout"),
    "a boot without end": (booting, [Dump(1), Abort(1)], 1, "boot"),
    "a boot that failed": (failed, [], 3, "boot"),
    "a deadline": (ready, [Term(1, Reason.STOP), Kill(1)], -SIGKILL, "graceful_timeout"),
    "a SIGKILL": (ready, [], -SIGKILL, "killed"),
    "a SIGTERM from elsewhere that came too early": (ready, [], -SIGTERM, "killed"),
    "a segmentation fault": (ready, [], -SIGSEGV, "crashed"),
    "an error of its own": (ready, [], 1, "crashed"),
    "an exit of its own": (ready, [], 0, "exited"),
}


@pytest.mark.parametrize("case", REASONS)
def test_the_reason_of_an_end(case: str) -> None:
    state, actions, exit_code, reason = REASONS[case]
    roster = roster_of([state])
    roster[1].wear = "requests"
    for action in actions:
        note(roster, action, NOW)
    assert exit_reason(roster[1], exit_code, oom_counted=False) == reason


@pytest.mark.parametrize(
    ("number", "exit_code", "expected"),
    [
        (SIGKILL, -SIGKILL, True),
        (SIGTERM, 0, True),
        (SIGABRT, 1, True),
        (SIGABRT, 0, False),
        (SIGTERM, -SIGSEGV, False),
        (SIGTERM, 1, False),
        (0, 0, False),
    ],
)
def test_what_an_operator_has_killed_is_expected(
    number: int, exit_code: int, expected: bool
) -> None:
    (handle,) = roster_of([ready])
    handle.signalled = number
    assert is_expected(handle, exit_code) is expected
    assert (exit_reason(handle, exit_code, oom_counted=True) == "killed") is expected


def test_want_of_memory_is_a_reason() -> None:
    (handle,) = roster_of([ready])
    assert exit_reason(handle, -SIGKILL, oom_counted=True) == "oom"
    assert exit_reason(handle, -SIGTERM, oom_counted=True) == "killed"


def test_exits_in_words() -> None:
    assert describe_exit(7) == "exited with code 7"
    assert describe_exit(-SIGSEGV) == "was sent SIGSEGV"
    assert describe_exit(-(SIGRTMIN + 5)) == f"was sent signal {SIGRTMIN + 5}"


V1 = "5:cpu:/\n4:memory:/a/b\n0::/\n"
V2 = "0::/a/b\n"
CGROUPS = {
    "version 2": (V2, "a/b/memory.events", "low 0\noom 9\noom_kill {}\n"),
    "version 2, in a container": (V2, "memory.events", "oom_kill {}\n"),
    "version 1": (V1, "memory/a/b/memory.oom_control", "under_oom 0\noom_kill {}\n"),
    "version 1, in a container": (V1, "memory/memory.oom_control", "oom_kill {}\n"),
}


@pytest.mark.parametrize("case", CGROUPS)
def test_the_oom_counter(case: str, tmp_path: Path) -> None:
    membership, name, text = CGROUPS[case]
    (tmp_path / "cgroup").write_text(membership)
    file = tmp_path / "fs" / name
    file.parent.mkdir(parents=True)
    file.write_text(text.format(3))
    counter = OomCounter(str(tmp_path / "cgroup"), str(tmp_path / "fs"))
    assert "has not moved" in counter.look()
    file.write_text(text.format(4))
    assert "from 3 to 4" in counter.look()
    assert "has not moved" in counter.look()


def test_the_oom_counter_after_a_read_that_failed(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text(V2)
    file = tmp_path / "memory.events"
    file.write_text("oom_kill 3\n")
    counter = OomCounter(str(tmp_path / "cgroup"), str(tmp_path))
    for count, meaning in ((3, "has not moved"), (4, "from 3 to 4")):
        file.unlink()
        assert (counter.look(), counter.has_moved) == ("Perhaps it was out of memory", False)
        file.write_text(f"oom_kill {count}\n")
        assert meaning in counter.look()


def test_no_oom_counter(tmp_path: Path) -> None:
    counter = OomCounter(str(tmp_path / "cgroup"), str(tmp_path))
    assert counter.look() == "Perhaps it was out of memory"
