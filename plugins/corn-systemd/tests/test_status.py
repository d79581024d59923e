"""The messages that a service manager gets, by what happens to the server."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from corn_systemd.plugin import VARIABLES
from corn_systemd.status import Status

NAME = f"@corn-status-test-{os.getpid()}"
READY = "READY=1 MAINPID=42 STATUS=Serving with 2 workers"


class Told:
    """The status of a server that wants two workers, and the messages that arrive of it."""

    def __init__(self, manager: socket.socket) -> None:
        self._manager = manager
        self.server = SimpleNamespace(
            pid=42,
            cfg=SimpleNamespace(daemon=False),
            log=logging.getLogger("tests.systemd"),
            num_workers=2,
            stopping=False,
            predecessor=0,
            successor=0,
        )
        given = {"NOTIFY_SOCKET": NAME, "WATCHDOG_USEC": "9000000"}
        self.status = Status({**dict.fromkeys(VARIABLES, ""), **given})

    def stop(self, reason: str = "") -> None:
        self.server.stopping = True
        self.status.on_stopping(self.server, reason)

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
        told.status.on_starting(told.server)
        assert told.messages() == ["STATUS=Starting"]
        yield told


def test_ready_when_it_serves_and_a_heartbeat_with_each_tick(told: Told) -> None:
    told.status.on_tick(told.server)
    assert told.messages() == ["WATCHDOG=1"]
    told.status.when_serving(told.server)
    told.status.on_tick(told.server)
    assert told.messages() == [READY, "WATCHDOG=1"]


@pytest.mark.parametrize("daemon", [False, True])
def test_a_server_in_the_background_is_warned(
    told: Told, caplog: pytest.LogCaptureFixture, daemon: bool
) -> None:
    told.server.cfg.daemon = daemon
    told.status.on_starting(told.server)
    assert ("a service manager may not listen to this" in caplog.text) is daemon


def test_number_of_workers_is_told_once_the_server_serves(told: Told) -> None:
    told.status.nworkers_changed(told.server)
    told.status.when_serving(told.server)
    told.server.num_workers = 1
    told.status.nworkers_changed(told.server)
    assert told.messages() == [READY, "STATUS=Serving with 1 worker"]


def test_reload_is_over_when_the_new_workers_serve(told: Told) -> None:
    told.status.when_serving(told.server)
    told.status.on_reload(told.server)
    told.status.nworkers_changed(told.server)
    told.status.on_tick(told.server)
    ready, reloading, beat = told.messages()
    assert reloading.startswith("RELOADING=1 MONOTONIC_USEC=")
    assert beat == "WATCHDOG=1"
    told.status.when_serving(told.server)
    assert told.messages() == [ready]


@pytest.mark.parametrize("begun", [False, True], ids=["unreadable", "cannot boot"])
def test_failure_is_told_until_the_next_reload(told: Told, begun: bool) -> None:
    told.status.when_serving(told.server)
    if begun:
        told.status.on_reload(told.server)
    told.status.reload_failed(told.server)
    told.status.when_serving(told.server)
    ready, reloading, again = told.messages()
    assert reloading.startswith("RELOADING=1 ")
    assert again == READY.replace("STATUS=", "STATUS=Reload failed. ")
    told.status.on_reload(told.server)
    told.status.when_serving(told.server)
    assert told.messages()[1:] == [ready]


@pytest.mark.parametrize("complete", [False, True])
def test_a_server_that_stops_is_not_ready_any_more(told: Told, complete: bool) -> None:
    if complete:
        told.status.when_serving(told.server)
        told.messages()
    told.stop("Out of order.")
    told.status.nworkers_changed(told.server)
    told.status.on_tick(told.server)
    told.status.on_exit(told.server)
    assert told.messages() == ["STOPPING=1 STATUS=Stopping. Out of order.", "WATCHDOG=1"]


def test_a_new_master_is_silent_until_its_turn_has_come(told: Told) -> None:
    told.server.predecessor = 41
    told.status.on_starting(told.server)
    told.status.when_serving(told.server)
    told.status.on_reload(told.server)
    told.status.when_serving(told.server)
    told.status.on_tick(told.server)
    assert told.messages() == []
    told.server.predecessor = 0
    told.status.on_tick(told.server)
    assert told.messages() == [READY, "WATCHDOG=1"]


def test_a_new_master_that_is_dropped_does_not_stop_the_service(told: Told) -> None:
    told.server.predecessor = 41
    told.stop()
    told.status.on_exit(told.server)
    assert told.messages() == []


def test_an_old_master_names_its_successor_at_the_end(told: Told) -> None:
    told.server.successor = 43
    told.stop()
    told.status.on_tick(told.server)
    assert told.messages() == ["WATCHDOG=1"]
    told.status.on_exit(told.server)
    assert told.messages() == ["MAINPID=43"]
