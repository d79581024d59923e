from __future__ import annotations

import os
import resource
import signal
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import SupportsIndex

import pytest

from corn_core.errors import ConfigError, CornError
from corn_core.process.scoreboard import (
    BOOTING,
    BUSY,
    DRAINING,
    IDLE,
    SETTINGS,
    SLOT_SIZE,
    STATE_NAMES,
    TEXT_SIZE,
    Scoreboard,
    SharedSlot,
    SlotView,
)

NOTHING = SlotView(
    heartbeat=0.0,
    state=BOOTING,
    requests=0,
    connections=0,
    request_started=0.0,
    method="",
    path="",
    in_flight=0,
)


@pytest.fixture
def board() -> Iterator[Scoreboard]:
    board = Scoreboard(capacity=4)
    yield board
    board.close()


def in_child(work: Callable[[], object]) -> None:
    """Do something in a forked process, and fail if it does."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


def test_new_slots_are_empty(board: Scoreboard) -> None:
    assert [board.read(index) for index in range(4)] == [NOTHING] * 4
    assert board.in_use() == []


def test_master_sees_what_a_worker_writes(board: Scoreboard) -> None:
    index = board.allocate()
    slot = board.slot(index)

    def work() -> None:
        slot.set_state(IDLE)
        slot.set_connections(7)
        slot.beat(1.5)
        slot.begin_request(2.5, "GET", "/a/b")
        slot.end_request(0)
        slot.begin_request(3.5, "PURGE", "/slow?no")

    in_child(work)
    assert board.read(index) == SlotView(
        heartbeat=3.5,
        state=BUSY,
        requests=1,
        connections=7,
        request_started=3.5,
        method="PURGE",
        path="/slow?no",
        in_flight=1,
    )


def test_worker_sees_that_the_server_is_stopping(board: Scoreboard) -> None:
    slot = board.slot(board.allocate())
    assert slot.server_stopping() is False
    read_fd, write_fd = os.pipe()

    def work() -> None:
        os.read(read_fd, 1)  # the flag is set after the fork
        assert slot.server_stopping()

    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    board.set_server_stopping()
    os.write(write_fd, b"x")
    assert os.waitpid(pid, 0)[1] == 0
    os.close(read_fd)
    os.close(write_fd)
    board.set_server_stopping(False)
    assert slot.server_stopping() is False


def test_beat_changes_nothing_else(board: Scoreboard) -> None:
    slot = board.slot(0)
    slot.set_state(IDLE)
    slot.begin_request(1.0, "GET", "/")
    before = board.read(0)
    slot.beat(9.0)
    after = board.read(0)
    assert after.heartbeat == 9.0
    assert (after.state, after.request_started, after.path) == (BUSY, before.request_started, "/")


def test_beginning_of_a_request_is_a_sign_of_life(board: Scoreboard) -> None:
    slot = board.slot(0)
    slot.beat(1.0)
    slot.begin_request(4.0, "GET", "/")
    assert board.read(0).heartbeat == 4.0


def test_draining_worker_is_not_said_to_be_busy(board: Scoreboard) -> None:
    slot = board.slot(0)
    slot.set_state(DRAINING)
    slot.begin_request(1.0, "GET", "/")
    assert (board.read(0).state, board.read(0).in_flight) == (DRAINING, 1)


def test_end_of_a_request(board: Scoreboard) -> None:
    slot = board.slot(0)
    slot.set_state(IDLE)
    slot.begin_request(1.0, "GET", "/first")
    assert (board.read(0).state, board.read(0).requests) == (BUSY, 0)
    slot.end_request(0)
    view = board.read(0)
    assert (view.state, view.requests, view.request_started) == (IDLE, 1, 0.0)
    # The text stays, for who wants to know what a worker did last.
    assert (view.method, view.path) == ("GET", "/first")


def test_a_worker_has_served_from_its_first_request_or_connection_on(board: Scoreboard) -> None:
    index = board.allocate()
    slot = board.slot(index)
    slot.beat(1.0)
    slot.set_state(IDLE)
    assert not board.read(index).has_served
    slot.set_connections(1)
    assert board.read(index).has_served
    slot.set_connections(0)
    token = slot.begin_request(2.0, "GET", "/")
    assert board.read(index).has_served, "also if it does not survive its first request"
    slot.end_request(token)
    assert board.read(index).has_served


def test_shorter_text_leaves_nothing_of_a_longer_one(board: Scoreboard) -> None:
    slot = board.slot(0)
    slot.begin_request(1.0, "OPTIONS", "/very/long/path")
    slot.begin_request(1.0, "GET", "/x")
    assert (board.read(0).method, board.read(0).path) == ("GET", "/x")


def test_request_that_ends_while_draining_leaves_the_worker_draining(board: Scoreboard) -> None:
    slot = board.slot(0)
    slot.set_state(IDLE)
    slot.begin_request(1.0, "GET", "/")
    slot.set_state(DRAINING)
    slot.end_request(0)
    assert board.read(0).state == DRAINING


def test_long_text_is_cut_and_stays_in_its_slot(board: Scoreboard) -> None:
    board.slot(0).begin_request(1.0, "GET", "/" + "x" * 10_000)
    view = board.read(0)
    assert (view.method, view.path) == ("GET", "/" + "x" * (TEXT_SIZE - len("GET /")))
    assert (view.requests, view.connections) == (0, 0)
    assert board.read(1) == NOTHING
    board.slot(0).begin_request(1.0, "M" * 10_000, "/")
    assert (board.read(0).method, board.read(0).path) == ("M" * TEXT_SIZE, "")


@pytest.mark.parametrize(
    ("path", "shown"), [("/caf\xe9", "/caf\xe9"), ("/\u65e5", "/?"), ("/\ud800", "/?")]
)
def test_text_outside_of_latin_1_is_no_error(board: Scoreboard, path: str, shown: str) -> None:
    board.slot(0).begin_request(1.0, "GET", path)
    assert board.read(0).path == shown


def test_counting_goes_on_in_a_new_writer(board: Scoreboard) -> None:
    for _ in range(3):
        slot = board.slot(0)
        slot.begin_request(1.0, "GET", "/")
        slot.end_request(0)
    assert board.read(0).requests == 3


def test_slots_are_given_out_from_the_lowest(board: Scoreboard) -> None:
    assert [board.allocate() for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(CornError, match="no more than 4 workers"):
        board.allocate()
    board.release(2)
    board.release(0)
    assert board.in_use() == [1, 3]
    assert board.allocate() == 0
    assert board.allocate() == 2


def test_released_slot_is_zero(board: Scoreboard) -> None:
    index = board.allocate()
    slot = board.slot(index)
    slot.set_state(IDLE)
    slot.set_connections(3)
    slot.begin_request(1.0, "GET", "/secret")
    slot.end_request(0)
    board.release(index)
    start = SLOT_SIZE * (index + 1)
    assert board.memory[start : start + SLOT_SIZE] == bytes(SLOT_SIZE)
    assert board.read(board.allocate()) == NOTHING


def test_slot_is_released_once(board: Scoreboard) -> None:
    index = board.allocate()
    board.release(index)
    with pytest.raises(ValueError, match="slot 0 does not belong to a worker"):
        board.release(index)


@pytest.mark.parametrize("index", [-1, 4])
def test_there_are_no_other_slots(board: Scoreboard, index: int) -> None:
    for use in (board.read, board.slot, board.release):
        with pytest.raises(IndexError, match=f"no slot {index}: there are 4"):
            use(index)


def test_layout_is_the_documented_one(board: Scoreboard) -> None:
    board.set_server_stopping()
    assert struct.unpack_from("=QQQQ", board.memory, 0) == (1, 4, 256, 1)
    board.allocate()
    index = board.allocate()
    slot = board.slot(index)
    slot.begin_request(1.0, "GET", "/old")
    slot.end_request(0)
    slot.set_state(IDLE)
    slot.set_connections(5)
    slot.begin_request(2.25, "GET", "/new")
    slot.beat(3.5)
    shared = slot.shared()
    for moment in (2.25, 2.5, 2.75):
        shared.begin_request(moment, "GET", "/new")
    values = list(struct.unpack_from("=dd192sQQQQQ", board.memory, 256 + index * 256))
    values[2] = values[2].partition(b"\0")[0]
    assert values == [3.5, 2.25, b"GET /new", 1, 5, IDLE, 1, 2]
    assert [STATE_NAMES[state] for state in (BOOTING, IDLE, BUSY, DRAINING)] == [
        "booting",
        "idle",
        "busy",
        "draining",
    ]


def test_numbers_are_never_read_half_written(board: Scoreboard) -> None:
    # Every byte of the two differs, so a mixture would be neither.
    one, two = struct.unpack("=dd", bytes(range(1, 17)))
    slot = board.slot(0)
    slot.begin_request(one, "GET", "/")
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        while os.getppid() == parent:
            for _ in range(1000):
                slot.begin_request(two, "POST", "/" + "y" * 180)
                slot.beat(one)
                slot.begin_request(one, "GET", "/")
        os._exit(0)
    deadline = monotonic() + 20
    views: list[SlotView] = []
    try:
        while len(views) < 3000 or len({view.heartbeat for view in views}) < 2:
            assert monotonic() < deadline, "the child writes nothing"
            views.append(board.read(0))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    assert {view.heartbeat for view in views} == {one, two}
    assert {view.request_started for view in views} <= {one, two}


def test_file_is_removed_from_its_directory_at_once(tmp_path: Path) -> None:
    board = Scoreboard(capacity=2, directory=str(tmp_path))
    assert os.listdir(tmp_path) == []
    with open("/proc/self/maps") as maps:
        assert sum(str(tmp_path) in line and "(deleted)" in line for line in maps) == 1
    slot = board.slot(board.allocate())
    in_child(lambda: slot.beat(4.5))
    assert board.read(0).heartbeat == 4.5
    board.close()


@pytest.mark.parametrize("directory", ["none", "a file"])
def test_directory_without_files_is_refused(tmp_path: Path, directory: str) -> None:
    (tmp_path / "a file").touch()
    path = str(tmp_path / directory)
    with pytest.raises(ConfigError, match=r"^worker_tmp_dir: cannot make a file in ") as caught:
        Scoreboard(directory=path)
    assert path in str(caught.value)


def test_full_disk_is_found_at_the_start(tmp_path: Path) -> None:
    def work() -> None:
        # A limit on the size of files fails in the same place as a disk without space.
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, 512))
        with pytest.raises(ConfigError, match="worker_tmp_dir"):
            Scoreboard(directory=str(tmp_path))

    in_child(work)
    assert os.listdir(tmp_path) == []


def test_shared_slot_shows_the_request_that_began_first(board: Scoreboard) -> None:
    slot = board.slot(0).shared()
    slot.set_state(IDLE)
    first = slot.begin_request(1.0, "GET", "/first")
    second = slot.begin_request(2.0, "POST", "/second")
    third = slot.begin_request(3.0, "PUT", "/third")
    view = board.read(0)
    assert (view.request_started, view.method, view.path) == (1.0, "GET", "/first")
    assert (view.in_flight, view.requests, view.state) == (3, 0, BUSY)
    slot.end_request(second)
    assert board.read(0).path == "/first"
    slot.end_request(first)
    view = board.read(0)
    assert (view.request_started, view.method, view.path) == (3.0, "PUT", "/third")
    assert (view.in_flight, view.requests, view.state) == (1, 2, BUSY)
    slot.end_request(third)
    view = board.read(0)
    assert (view.request_started, view.in_flight, view.requests) == (0.0, 0, 3)
    assert view.state == IDLE


def test_request_counts_of_threads_add_up(board: Scoreboard) -> None:
    slot = board.slot(0).shared()
    slot.set_state(IDLE)

    def work() -> None:
        for _ in range(500):
            slot.end_request(slot.begin_request(1.0, "GET", "/"))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    view = board.read(0)
    assert (view.requests, view.in_flight, view.state) == (2000, 0, IDLE)


def test_setting() -> None:
    (setting,) = SETTINGS
    assert setting.parse(" /dev/shm ") == "/dev/shm"
    assert setting.parse("") is setting.default is None


def test_the_fewest_connections_of_workers_that_could_take_one() -> None:
    board = Scoreboard(capacity=8)
    slots = [board.slot(board.allocate()).shared() for _ in range(6)]
    mine, most, fewest, booting, silent, busy = slots
    for slot, count in zip(slots, (0, 7, 5, 1, 2, 3), strict=True):
        slot.beat(10.0)
        slot.set_state(IDLE)
        slot.set_connections(count)
    booting.set_state(BOOTING)
    silent.beat(8.9)
    for _ in range(2):
        busy.begin_request(10.0, "GET", "/")
    peers = mine.peers()
    assert peers == [slot.index for slot in slots[1:]]
    assert mine.fewest_connections(peers, busy=2, since=9.0) == 5
    assert mine.fewest_connections(peers, busy=3, since=9.0) == 3
    assert mine.fewest_connections(peers, busy=2, since=8.0) == 2
    # In calls that began a moment ago it could as well be idle.
    assert mine.fewest_connections(peers, busy=2, since=9.0, began=10.0) == 5
    assert mine.fewest_connections(peers, busy=2, since=9.0, began=9.9) == 3
    board.release(fewest.index)
    assert mine.fewest_connections(peers, busy=2, since=9.0) == 7
    assert most.fewest_connections([], busy=2, since=0.0) is None


def test_the_other_workers_are_those_of_the_moment() -> None:
    board = Scoreboard(capacity=4)
    mine = board.slot(board.allocate())
    assert mine.peers() == []
    other, third = board.allocate(), board.allocate()
    assert mine.peers() == [other, third]
    board.release(other)
    assert mine.peers() == [third]
    assert board.allocate() == other
    assert mine.peers() == [other, third]


class Display(list[None]):
    """A shared slot's display, at which another thread acts in the middle of a step, once.

    :param act: what that thread does.
    :param method: the step, ``append`` to free the display, ``pop`` to take it.
    """

    def __init__(self, method: str, act: Callable[[], object]) -> None:
        super().__init__()
        self.acts = {method: act}

    def append(self, item: None, /) -> None:
        self.acts.pop("append", int)()
        super().append(item)

    def pop(self, index: SupportsIndex = -1, /) -> None:
        try:
            return super().pop(index)
        finally:
            self.acts.pop("pop", int)()


def test_shared_slot_shows_who_begins_while_the_last_one_ends(board: Scoreboard) -> None:
    slot = board.slot(0).shared()
    slot.set_state(IDLE)
    assert isinstance(slot, SharedSlot)
    first = slot.begin_request(1.0, "GET", "/first")
    tokens: list[int] = []
    slot._display = Display(
        "append", lambda: tokens.append(slot.begin_request(2.0, "GET", "/second"))
    )
    slot.end_request(first)
    view = board.read(0)
    assert (view.in_flight, view.request_started, view.path) == (1, 2.0, "/second")
    slot.end_request(tokens[0])
    assert (board.read(0).in_flight, board.read(0).state) == (0, IDLE)


def test_shared_slot_shows_who_begins_when_the_last_one_has_just_ended(board: Scoreboard) -> None:
    slot = board.slot(0).shared()
    slot.set_state(IDLE)
    assert isinstance(slot, SharedSlot)
    first = slot.begin_request(1.0, "GET", "/first")
    slot._display = Display("pop", lambda: slot.end_request(first))
    second = slot.begin_request(2.0, "GET", "/second")
    view = board.read(0)
    assert (view.in_flight, view.request_started, view.path) == (1, 2.0, "/second")
    slot.end_request(second)
    assert (board.read(0).in_flight, board.read(0).state) == (0, IDLE)
