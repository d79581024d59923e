"""Decisions whether a worker accepts from the queue of new connections, without processes."""

from __future__ import annotations

from math import inf

import pytest

from corn_core.process.scoreboard import IDLE, Scoreboard
from corn_core.serving.balance import FRESH
from corn_gthread.balance import LAST_LOOK, PATIENCE, SHORT, Balance, Stand


class Two:
    """Two workers of four threads: the one whose balance it is, and another."""

    def __init__(self) -> None:
        board = Scoreboard(capacity=2)
        self.mine, self.other = (board.slot(board.allocate()).shared() for _ in range(2))
        self.balance = Balance(self.mine, threads=4)
        self.other.set_state(IDLE)
        self.other.beat(10.0)

    def occupy(self, calls: int, began: float) -> None:
        for _ in range(calls):
            self.other.begin_request(began, "GET", "/")


def test_a_worker_without_others_accepts() -> None:
    board = Scoreboard(capacity=1)
    balance = Balance(board.slot(board.allocate()), threads=4)
    assert not balance.has_peers()
    assert balance.stands(9, True, 10.0) is Stand.IN
    assert not balance.others_could(10.0)


@pytest.mark.parametrize(
    ("held", "full", "calls", "began", "now", "stand"),
    [
        (1, False, 0, 0.0, 10.0, Stand.IN),
        (9, False, 0, 0.0, 10.0, Stand.OUT),  # it has far more
        (1, True, 0, 0.0, 10.0, Stand.OUT),  # all of its threads are taken, and none of the other's
        (0, True, 0, 0.0, 10.0, Stand.OUT),
        (1, True, 3, 9.0, 10.0, Stand.OUT),
        (1, True, 4, 9.0, 10.0, Stand.IN),  # all threads of both are taken
        (9, False, 4, 9.0, 10.0, Stand.IN),
        (9, False, 4, 10.0 - SHORT / 2, 10.0, Stand.OUT),  # the other is in short calls
        (9, True, 0, 0.0, 10.1 + FRESH, Stand.IN),  # the other gives no sign of life
    ],
)
def test_who_should_take_the_next_connection(
    held: int, full: bool, calls: int, began: float, now: float, stand: Stand
) -> None:
    two = Two()
    two.occupy(calls, began)
    assert two.balance.stands(held, full, now) is stand
    assert two.balance.look_at == (inf if stand is Stand.IN else pytest.approx(now + 0.001))


def test_the_others_are_looked_at_less_and_less_often() -> None:
    two = Two()
    waits = []
    for _ in range(10):
        assert two.balance.stands(9, False, 10.0) is Stand.OUT
        waits.append(round(two.balance.look_at - 10.0, 3))
    assert waits == [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.128, 0.128]
    two.other.set_connections(8)
    assert two.balance.stands(9, False, 10.0) is Stand.IN
    two.other.set_connections(0)
    assert two.balance.stands(9, False, 10.0) is Stand.OUT
    assert two.balance.look_at == pytest.approx(10.001)


def test_clients_whom_the_others_leave_waiting_are_taken_after_some_looks() -> None:
    two = Two()
    now = 10.0
    while two.balance.look_at < now + LAST_LOOK:
        two.balance.stands(9, False, now)
    began = now
    for _ in range(PATIENCE):
        # From the first of them on it looks closely again.
        assert two.balance.stands(9, False, now, waiting=True) is Stand.OUT
        now = two.balance.look_at
    assert two.balance.stands(9, False, now, waiting=True) is Stand.ONCE
    assert now - began == pytest.approx(0.255)
    assert two.balance.stands(9, False, now, waiting=True) is Stand.OUT


def test_clients_whom_the_others_do_take_are_left_to_them() -> None:
    two = Two()
    for _ in range(PATIENCE * 3):
        assert two.balance.stands(9, False, 10.0, waiting=True) is Stand.OUT
        assert two.balance.stands(9, False, 10.0, waiting=False) is Stand.OUT
