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
    """Make the worker itself, which has met the others."""
    index = board.allocate()
    made = Balance(board.slot(index))
    made.meet()
    return index, made


@pytest.mark.parametrize(
    ("held", "fewest", "threads", "outcome"),
    [
        # An event loop has any number of requests in the application.
        (0, 0, 0, False),
        (1, 0, 0, False),
        (2, 0, 0, True),
        (17, 16, 0, False),
        (19, 16, 0, False),
        (20, 16, 0, True),
        # One thread: a connection is as much as it can serve, if another worker has none.
        (0, 0, 1, False),
        (1, 0, 1, True),
        (1, 1, 1, False),
        (2, 1, 1, False),
        (3, 1, 1, True),
        # Threads to spare here, and the difference is small.
        (1, 0, 4, False),
        (2, 0, 4, True),
        (3, 2, 4, False),
        # No thread to spare here, and some there.
        (4, 3, 4, True),
        (4, 4, 4, False),
        # None anywhere: what counts is who has clearly more.
        (17, 16, 4, False),
        (19, 16, 4, False),
        (20, 16, 4, True),
    ],
)
def test_outweighs(held: int, fewest: int, threads: int, outcome: bool) -> None:
    assert outweighs(held, fewest, threads) is outcome


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
