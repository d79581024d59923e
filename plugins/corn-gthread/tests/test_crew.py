"""The threads of a worker, when the system has no room for one."""

from __future__ import annotations

from corn_gthread.crew import Crew, Seat
from corn_testkit.scarcity import no_room_for_threads
from corn_testkit.waiting import DEADLINE


def test_each_want_of_room_is_told_once() -> None:
    refused: list[RuntimeError] = []
    crew = Crew(2, wait_for_the_end, refused.append)
    for number in (1, 2):
        with no_room_for_threads():
            assert crew.recruit() is None and crew.recruit() is None
        assert [str(error) for error in refused] == ["can't start new thread"] * number
        assert crew.recruit() is not None
    assert crew.recruit() is None, "more than there may be"
    assert len(refused) == 2
    for seat in crew.seats:
        seat.assign("end")
    assert crew.join(DEADLINE)


def wait_for_the_end(seat: Seat) -> None:
    assert seat.next() == "end"
