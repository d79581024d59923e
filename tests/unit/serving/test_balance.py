"""When a worker leaves new connections to the others."""

from __future__ import annotations

import pytest

from corn_core.process.scoreboard import IDLE, Scoreboard
from corn_core.serving.balance import FIRST, FRESH, GRANT, LAST, Balance, outweighs

NOW = 1000.0


@pytest.fixture
def board() -> Scoreboard:
    return Scoreboard(4)


def worker(board: Scoreboard, connections: int, beat: float = NOW) -> int:
    """Another worker, which serves; its slot."""
    index = board.allocate()
    slot = board.slot(index)
    slot.set_state(IDLE)
    slot.set_connections(connections)
    slot.beat(beat)
    return index


def balance(board: Scoreboard) -> tuple[int, Balance]:
    """The worker itself, which has met the others."""
    index = board.allocate()
    made = Balance(board.slot(index))
    made.meet()
    return index, made


@pytest.mark.parametrize(
    ("held", "fewest", "expected"),
    [(0, 0, False), (1, 0, False), (2, 0, True), (17, 16, False), (19, 16, False), (20, 16, True)],
)
def test_outweighs(held: int, fewest: int, expected: bool) -> None:
    assert outweighs(held, fewest) is expected


def test_single_worker_takes_all(board: Scoreboard) -> None:
    assert balance(board)[1].has_turn(1000, NOW)


def test_next_connection_is_for_the_worker_with_fewer(board: Scoreboard) -> None:
    worker(board, 5)
    _, made = balance(board)
    assert made.has_turn(6, NOW)
    assert not made.has_turn(7, NOW)


def test_others_are_told_how_many_it_has(board: Scoreboard) -> None:
    worker(board, 5)
    index, made = balance(board)
    made.has_turn(7, NOW)
    assert board.read(index).connections == 7


def test_silent_worker_does_not_count(board: Scoreboard) -> None:
    worker(board, 0, beat=NOW - FRESH - 0.1)
    assert balance(board)[1].has_turn(9, NOW)


def test_connections_that_go_on_waiting_are_taken_more_and_more_of_them(board: Scoreboard) -> None:
    worker(board, 0)
    _, made = balance(board)
    held, taken = 2, []
    for _ in range(3):
        moment = FIRST
        while not made.has_turn(held, NOW):
            assert made.moment() == moment
            moment *= 2
        assert moment == 2 * LAST
        before = held
        while made.has_turn(held, NOW):
            held += 1
        taken.append(held - before)
    assert taken == [GRANT, 2 * GRANT, 4 * GRANT]


def test_worker_that_is_no_longer_ahead_begins_anew(board: Scoreboard) -> None:
    other = worker(board, 0)
    _, made = balance(board)
    while not made.has_turn(2, NOW):
        made.moment()
    board.slot(other).set_connections(3)
    assert made.has_turn(3, NOW)
    assert not made.has_turn(5, NOW)
    assert made.moment() == FIRST
