"""Messages to a service manager, on real sockets, and the variables that ask for them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns

import pytest

from corn_systemd.notifier import Notifier, clock, notifier_for
from corn_systemd.plugin import VARIABLES

PID = 42


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An absolute path that is short enough for a socket, whatever the temporary directory."""
    monkeypatch.chdir(tmp_path)
    return "/proc/self/cwd/n" if len(str(tmp_path)) > 90 else str(tmp_path / "n")


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


def test_without_an_address_nothing_is_sent() -> None:
    notifier = Notifier("", watchdog=True)
    notifier.send("READY=1")
    notifier.beat()
    assert notifier.problem == ""


def test_socket_that_is_not_there(path: str) -> None:
    notifier = Notifier(path, watchdog=True)
    notifier.send("READY=1")
    assert notifier.problem == "No such file or directory"
    notifier.beat()
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
    notifier = Notifier(path, watchdog=True)
    notifier.send("READY=1")
    notifier.beat()
    notifier.send("STATUS=Good")
    assert all(message == "x" for message in messages(manager))
    notifier.beat()
    assert messages(manager) == ["READY=1", "STATUS=Good"], "a heartbeat is not sent late"
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


@pytest.mark.parametrize("watchdog", [False, True])
def test_heartbeats_are_for_a_watchdog(manager: socket.socket, path: str, watchdog: bool) -> None:
    notifier = Notifier(path, watchdog)
    notifier.beat()
    notifier.beat()
    assert messages(manager) == ["WATCHDOG=1"] * 2 * watchdog


# -- the variables -------------------------------------------------------------------


def made(**variables: str) -> tuple[bool, str]:
    """Return whether heartbeats are sent, and what is wrong."""
    notifier, problem = notifier_for({**dict.fromkeys(VARIABLES, ""), **variables}, PID)
    return notifier.watchdog, problem


@pytest.mark.parametrize(
    ("limit", "pid", "watchdog"),
    [
        ("2000000", "", True),
        ("30000000", str(PID), True),
        ("30000000", "1", False),
        ("", "", False),
        ("1", "1", False),
    ],
)
def test_watchdog(limit: str, pid: str, watchdog: bool) -> None:
    found = made(NOTIFY_SOCKET="/n", WATCHDOG_USEC=limit, WATCHDOG_PID=pid)
    assert found == (watchdog, "")


def test_watchdog_that_bites_too_soon() -> None:
    assert made(NOTIFY_SOCKET="/n", WATCHDOG_USEC="500000") == (
        True,
        "WatchdogSec= is 0.5 seconds; heartbeats come every second, so set it to 2 or more",
    )


@pytest.mark.parametrize("value", ["often", "0", "-1", "1.5"])
def test_watchdog_that_is_not_a_number(value: str) -> None:
    text = f"WATCHDOG_USEC is not a number of microseconds: {value!r}; it is ignored"
    assert made(NOTIFY_SOCKET="/n", WATCHDOG_USEC=value) == (False, text)


def test_socket_of_another_kind() -> None:
    text = "NOTIFY_SOCKET is neither a path nor @NAME: 'vsock:2:1'; it is ignored"
    assert made(NOTIFY_SOCKET="vsock:2:1", WATCHDOG_USEC="3000000") == (False, text)


def test_clock_is_the_monotonic_one() -> None:
    before = monotonic_ns() // 1000
    name, _, value = clock().partition("=")
    assert name == "MONOTONIC_USEC"
    assert before <= int(value) <= monotonic_ns() // 1000
