"""Commands: their arguments, and what has happened to the server."""

from __future__ import annotations

import pytest

from corn_control.operations import Events, size, understood
from corn_core.plugin import MAX_WORKERS, CommandError, Expected, integer, optional


def test_arguments() -> None:
    assert understood({"pid": "7"}, pid=integer(1), more=optional(integer())) == [7, None]
    assert understood({}) == []


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "pid: expected a whole number of at least 1, got nothing"),
        ({"pid": None}, "pid: expected a whole number of at least 1, got None"),
        ({"pid": "x"}, "pid: expected a whole number of at least 1, got 'x'"),
        ({"pid": [1]}, r"pid: expected .*, got \[1\]"),
        ({"pid": 1, "pdi": 2}, "there is no argument 'pdi'; known: pid"),
    ],
)
def test_wrong_arguments(given: dict[str, object], text: str) -> None:
    with pytest.raises(CommandError, match=text):
        understood(given, pid=integer(1))


def test_arguments_of_a_command_without_any() -> None:
    with pytest.raises(CommandError, match="there is no argument 'x'; known: none"):
        understood({"x": 1})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        *((4, (False, 4)), ("4", (False, 4)), (0, (False, 0)), (" 4 ", (False, 4))),
        *(("+1", (True, 1)), ("-12", (True, -12)), (MAX_WORKERS, (False, MAX_WORKERS))),
    ],
)
def test_size(raw: object, expected: tuple[bool, int]) -> None:
    assert size(raw) == expected


@pytest.mark.parametrize("raw", [None, True, 1.5, -1, "", "x", "+", "1 2", MAX_WORKERS + 1, [1]])
def test_what_is_not_a_size(raw: object) -> None:
    with pytest.raises(Expected, match="a number of workers from 0"):
        size(raw)


def test_whose_failure_it_is() -> None:
    events = Events()
    events.fail(2, "no such module")
    assert events.failure_of(1, 0) is None, "what was asked for in 1 is in force: 2"
    assert events.failure_of(2, 0) == "no such module"
    assert events.failure_of(2, events.failures) is None, "that was before it was asked for"
    events.fail(1, "it went back")
    assert events.failure_of(1, 0) == "it went back"
