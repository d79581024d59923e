"""Decisions about the holder of the loop, without threads or time."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corn_gthread.leadership import (
    REMEMBER,
    REMEMBER_FOR,
    SUSPECT_FOR,
    SUSPECTS,
    Leadership,
    Pace,
)


def begin(leadership: Leadership[Any, None]) -> int:
    """Enter a call, as the holder does."""
    number = leadership.call + 1
    leadership.claims[number] = None
    leadership.call = number
    return number


def end(leadership: Leadership[Any, None], number: int) -> bool:
    """End a call, as its thread does. Returns whether that still holds the loop."""
    if number not in leadership.claims:
        return False
    del leadership.claims[number]
    leadership.call = number + 1
    return True


def test_a_call_that_ends_in_time_keeps_the_loop() -> None:
    leadership: Leadership[str, None] = Leadership(2)
    number = begin(leadership)
    assert leadership.call == number
    assert number & 1 == 1
    assert end(leadership, number)
    assert leadership.call & 1 == 0
    assert not leadership.depose(number)
    assert leadership.running == 0


def test_a_call_that_takes_long_loses_the_loop_and_keeps_its_place() -> None:
    leadership: Leadership[str, None] = Leadership(1)
    number = begin(leadership)
    assert leadership.depose(number)
    assert leadership.running == 1
    assert not leadership.engage()
    assert not end(leadership, number)
    leadership.rest("its thread")
    assert leadership.idle == ["its thread"]
    assert leadership.engage()


def test_the_next_holder_s_call_is_another() -> None:
    leadership: Leadership[str, None] = Leadership(2)
    first = begin(leadership)
    assert leadership.depose(first)
    second = begin(leadership)
    assert not leadership.depose(first)
    assert not end(leadership, first)
    assert end(leadership, second)


def test_nobody_is_deposed_between_calls() -> None:
    leadership: Leadership[str, None] = Leadership(2)
    assert not leadership.depose(leadership.call)
    end(leadership, begin(leadership))
    assert leadership.call & 1 == 0
    assert not leadership.depose(leadership.call)


@given(st.lists(st.sampled_from(["begin", "end", "depose", "stale", "rest"]), max_size=60))
def test_one_thread_holds_the_loop_and_no_call_is_lost(events: list[str]) -> None:
    """Against a model: a thread that holds the loop, and the calls of those that lost it."""
    limit = 3
    leadership: Leadership[int, None] = Leadership(limit)
    holder, current, next_thread = 0, None, 1
    lost: dict[int, int] = {}
    for event in events:
        if event == "begin" and current is None and leadership.running < limit:
            current = begin(leadership)
        elif event == "end" and current is not None:
            assert end(leadership, current)
            current = None
        elif event == "depose":
            seen = leadership.call
            assert leadership.depose(seen) is (current is not None)
            if current is not None:
                lost[holder] = current
                holder, current, next_thread = next_thread, None, next_thread + 1
        elif event == "stale" and lost:
            assert not leadership.depose(next(iter(lost.values())))
        elif event == "rest" and lost:
            thread, number = lost.popitem()
            assert not end(leadership, number)
            leadership.rest(thread)
        assert leadership.running == len(lost)
        assert leadership.running + (current is not None) <= limit


def test_a_path_is_slow_until_it_is_fast_or_forgotten() -> None:
    pace = Pace()
    assert not pace.wary
    pace.note("/report", True, 1.0)
    assert pace.wary
    assert pace.suspicious("/report", 0.9 + REMEMBER_FOR)
    pace.note("/report", True, 1.5)
    assert pace.suspicious("/report", 1.4 + REMEMBER_FOR)
    pace.note("/report", False, 1.6)
    assert not pace.suspicious("/report", 1.6)
    assert pace.wary
    assert not pace.suspicious("/report", 1.5 + REMEMBER_FOR)
    assert not pace.wary


def test_a_call_of_which_one_cannot_tell_leaves_its_path_as_it_was() -> None:
    pace = Pace()
    pace.note("/report", None, 1.0)
    assert not pace.wary
    pace.note("/report", True, 1.0)
    pace.note("/report", None, 1.5)
    assert pace.suspicious("/report", 0.9 + REMEMBER_FOR)
    assert not pace.suspicious("/report", 1.1 + REMEMBER_FOR)


def test_other_paths_are_suspect_for_a_moment() -> None:
    pace = Pace()
    pace.note("/report", True, 1.0)
    assert pace.suspicious("/", 0.99 + SUSPECT_FOR)
    assert not pace.suspicious("/", 1.0 + SUSPECT_FOR)
    # What is known to be slow does not give reason for new suspicion.
    pace.note("/report", True, 1.2)
    assert not pace.suspicious("/", 1.2)
    pace.note("/export", True, 1.3)
    assert pace.suspicious("/", 1.3)


def test_fast_calls_clear_the_suspicion() -> None:
    pace = Pace()
    pace.note("/report", True, 1.0)
    for number in range(SUSPECTS):
        assert pace.suspicious("/", 1.0)
        pace.note(f"/{number}", False, 1.0)
    assert not pace.suspicious("/", 1.0)
    assert pace.suspicious("/report", 1.0)


def test_too_many_slow_paths_are_forgotten() -> None:
    pace = Pace()
    for number in range(REMEMBER):
        pace.note(f"/{number}", True, 1.0)
    assert pace.suspicious("/0", 1.5)
    pace.note("/last", True, 1.0)
    assert not pace.suspicious("/0", 1.5)
    assert pace.suspicious("/last", 1.5)
