"""A step is tried in a child: what went wrong there is told, and this process stays as it is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from corn_core.process.trial import failure_in_child

tried: list[str] = []


def fail_with(error: Exception) -> Callable[[], None]:
    def act() -> None:
        raise error

    return act


def test_what_works_there_leaves_no_trace_here() -> None:
    assert failure_in_child(lambda: tried.append("there")) is None
    assert tried == []


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (fail_with(ValueError("no such level: 'ä'")), "no such level: 'ä'"),
        (fail_with(PermissionError(1, "Operation not permitted")), "Operation not permitted"),
        (fail_with(AssertionError()), "AssertionError"),
        (lambda: os._exit(3), "the process that tried it died (exit status 3)"),
        (
            lambda: os.kill(os.getpid(), signal.SIGKILL),
            "the process that tried it died (signal 9)",
        ),
    ],
)
def test_the_reason_is_told(act: Callable[[], object], reason: str) -> None:
    assert failure_in_child(act) == reason


def test_a_long_reason_does_not_fill_the_pipe() -> None:
    told = failure_in_child(fail_with(ValueError("x" * 1_000_000)))
    assert told is not None
    assert set(told) == {"x"}


def test_a_process_that_it_leaves_behind_is_not_waited_for() -> None:
    """Its copy of the pipe stays open, so the pipe has no end."""
    reading, writing = os.pipe()

    def leave_one_behind() -> None:
        if os.fork() == 0:
            os.close(writing)
            os.read(reading, 1)  # until the test ends
            os._exit(0)
        os._exit(7)

    assert failure_in_child(leave_one_behind) == "the process that tried it died (exit status 7)"
    os.close(writing)
    os.close(reading)
