"""What a service manager hears, by what happens to the server."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from corn_core.arbiter.bulletin import Bulletin
from corn_core.arbiter.peer import PeerMaster
from corn_core.arbiter.server import ServerState
from tests.unit.arbiter.fixtures import Lines, loaded

# A bulletin asks for none.
NO_HOOKS: Any = None

NAME = f"@corn-bulletin-test-{os.getpid()}"


class Told:
    """A bulletin of a server that wants two workers, and the messages that arrive of it."""

    def __init__(self, manager: socket.socket) -> None:
        self._manager = manager
        self.log = Lines()
        self.server = ServerState(loaded(self.log, workers=2), hooks=NO_HOOKS)
        self.server.pid = 42
        self.peer = PeerMaster()
        self.bulletin = Bulletin(self.server, self.peer)

    def messages(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self._manager.recv(4096).decode().replace("\n", " "))
            except BlockingIOError:
                return found


@pytest.fixture
def told() -> Iterator[Told]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + NAME[1:])
        manager.setblocking(False)
        told = Told(manager)
        told.bulletin.open({"NOTIFY_SOCKET": NAME, "WATCHDOG_USEC": "9000000"})
        told.bulletin.starting()
        assert told.messages() == ["STATUS=Starting"]
        yield told


def test_ready_once_and_only_when_complete(told: Told) -> None:
    for serving in (0, 1, 2, 2, 1, 2):
        told.bulletin.note_serving(serving)
    assert told.messages() == ["READY=1 MAINPID=42 STATUS=Serving with 2 workers"]


def test_reload_is_over_when_the_new_workers_are_complete(told: Told) -> None:
    told.bulletin.note_serving(2)
    told.bulletin.reloading()
    told.bulletin.note_serving(1)
    ready, reloading = told.messages()
    assert reloading.startswith("RELOADING=1 MONOTONIC_USEC=")
    told.bulletin.note_serving(2)
    assert told.messages() == [ready]


def test_failure_is_told_until_the_next_reload(told: Told) -> None:
    told.bulletin.reloading()
    told.bulletin.reload_failed()
    told.bulletin.note_serving(2)
    assert told.messages()[1:] == [
        "READY=1 MAINPID=42 STATUS=Reload failed. Serving with 2 workers"
    ]
    told.bulletin.reloading()
    told.bulletin.note_serving(2)
    assert told.messages()[1:] == ["READY=1 MAINPID=42 STATUS=Serving with 2 workers"]


@pytest.mark.parametrize("complete", [False, True])
def test_a_server_that_stops_is_not_ready_any_more(told: Told, complete: bool) -> None:
    if complete:
        told.bulletin.note_serving(2)
        told.messages()
    told.bulletin.stopping("Out of order.")
    told.bulletin.note_serving(2)
    assert told.messages() == ["STOPPING=1 STATUS=Stopping. Out of order."]


def test_without_anybody_to_tell_it_waits_for_nothing() -> None:
    log = Lines()
    bulletin = Bulletin(ServerState(loaded(log), hooks=NO_HOOKS), PeerMaster())
    bulletin.open({})
    bulletin.starting()
    bulletin.note_serving(1)
    assert bulletin.tend() == float("inf")
    assert log.lines == []


def test_a_new_master_is_silent_until_its_turn_has_come(told: Told) -> None:
    told.peer.predecessor = 41
    told.bulletin.starting()
    told.bulletin.note_serving(2)
    told.bulletin.reloading()
    assert told.bulletin.tend() == float("inf")
    assert told.messages() == []
    told.peer.part()
    told.bulletin.note_serving(2)
    assert told.messages() == ["READY=1 MAINPID=42 STATUS=Serving with 2 workers"]
    told.bulletin.tend()
    assert told.messages() == ["WATCHDOG=1"]


def test_a_new_master_that_is_dropped_does_not_stop_the_service(told: Told) -> None:
    told.peer.predecessor = 41
    told.bulletin.stopping("")
    told.bulletin.hand_on()
    assert told.messages() == []


def test_an_old_master_names_its_successor_at_the_end(told: Told) -> None:
    told.peer.successor = 43
    told.bulletin.stopping("")
    told.bulletin.tend()
    assert told.messages() == ["WATCHDOG=1"]
    told.bulletin.hand_on()
    assert told.messages() == ["MAINPID=43"]
