"""Messages to a service manager, on real sockets."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from math import inf
from pathlib import Path
from time import monotonic_ns

import pytest

from corn_core.process.notify import Notifier, clock, take_notifier

PID = 42


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An absolute path that is short enough for a socket, whatever the temporary directory."""
    monkeypatch.chdir(tmp_path)
    return f"/proc/self/cwd/{'n'}" if len(str(tmp_path)) > 90 else str(tmp_path / "n")


@pytest.fixture
def manager(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        sock.setblocking(False)
        yield sock


def messages(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


def test_message_has_a_line_for_each_assignment(manager: socket.socket, path: str) -> None:
    notifier = Notifier(path)
    notifier.send("READY=1", "STATUS=Good")
    notifier.send("STOPPING=1")
    assert messages(manager) == ["READY=1\nSTATUS=Good", "STOPPING=1"]
    assert notifier.problem == ""


@pytest.mark.skipif(not os.path.exists("/proc/net/unix"), reason="Linux only")
def test_abstract_socket() -> None:
    name = f"corn-notify-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.setblocking(False)
        Notifier(f"@{name}").send("READY=1")
        assert messages(manager) == ["READY=1"]


def test_nobody_wants_anything() -> None:
    notifier = Notifier("", 1.0)
    notifier.send("READY=1")
    notifier.beat(1e9)
    assert (notifier.problem, notifier.due) == ("", inf)


def test_nobody_is_there(path: str) -> None:
    notifier = Notifier(path, 1.0)
    notifier.send("READY=1")
    assert notifier.problem == "No such file or directory"
    notifier.beat(1.0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.setblocking(False)
        notifier.send("STOPPING=1")
        assert messages(manager) == ["STOPPING=1"], "what was lost is not sent late"


def test_path_that_is_too_long() -> None:
    notifier = Notifier("/" + "x" * 200)
    notifier.send("READY=1")
    assert notifier.problem


def test_full_queue_delays_and_loses_nothing(manager: socket.socket, path: str) -> None:
    fill(path)
    notifier = Notifier(path, 1.0)
    notifier.send("READY=1")
    notifier.beat(5.0)
    notifier.send("STATUS=Good")
    assert all(message == "x" for message in messages(manager))
    notifier.beat(5.5)
    assert messages(manager) == ["READY=1", "STATUS=Good"], "a heartbeat waits for nobody"
    assert notifier.problem == ""


def test_queue_that_stays_full_does_not_grow(manager: socket.socket, path: str) -> None:
    fill(path)
    notifier = Notifier(path)
    for number in range(100):
        notifier.send(f"STATUS={number}")
    messages(manager)
    found = []
    for _ in range(16):  # the queue may have room for one only
        notifier.flush()
        found += messages(manager)
    assert found == [f"STATUS={number}" for number in range(84, 100)]


def fill(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        while True:
            try:
                other.sendto(b"x", path)
            except BlockingIOError:
                return


def test_heartbeats_come_at_their_interval(manager: socket.socket, path: str) -> None:
    notifier = Notifier(path, 2.5)
    assert notifier.due <= 100.0
    for now in (100.0, 101.0, 102.4, 102.5, 104.9):
        notifier.beat(now)
    assert messages(manager) == ["WATCHDOG=1"] * 2
    assert notifier.due == 105.0


def test_without_a_watchdog_there_is_no_heartbeat(manager: socket.socket, path: str) -> None:
    notifier = Notifier(path)
    notifier.beat(1e9)
    assert messages(manager) == []
    assert notifier.due == inf


# -- the variables -------------------------------------------------------------------


def taken(**environ: str) -> tuple[float, str]:
    """The interval, and what is wrong; nothing is left in the environment."""
    notifier, problem = take_notifier(environ, PID)
    assert environ == {}
    return notifier.interval, problem


def test_heartbeats_are_twice_as_frequent_as_demanded() -> None:
    here = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "3000000"}
    assert taken(**here) == (1.5, "")
    assert taken(**here, WATCHDOG_PID=str(PID)) == (1.5, "")
    assert taken(**here, WATCHDOG_PID="1") == (0.0, "")
    assert taken(NOTIFY_SOCKET="/n") == (0.0, "")
    assert taken(WATCHDOG_USEC="3000000") == (0.0, "")
    assert taken() == (0.0, "")


@pytest.mark.parametrize("value", ["often", "0", "-1", "1.5"])
def test_watchdog_that_is_no_number(value: str) -> None:
    interval, problem = taken(NOTIFY_SOCKET="/n", WATCHDOG_USEC=value)
    assert (interval, problem) == (
        0.0,
        f"WATCHDOG_USEC is no number of microseconds: {value!r}",
    )


def test_socket_of_another_kind(manager: socket.socket) -> None:
    notifier, problem = take_notifier({"NOTIFY_SOCKET": "vsock:2:1"}, PID)
    assert problem == "NOTIFY_SOCKET is neither a path nor @NAME: 'vsock:2:1'"
    notifier.send("READY=1")
    assert notifier.problem == ""


def test_clock_is_the_monotonic_one() -> None:
    before = monotonic_ns() // 1000
    name, _, value = clock().partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= monotonic_ns() // 1000
