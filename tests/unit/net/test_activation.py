"""The sockets that a service manager passes, and the variables that say so."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_core.errors import BindError
from corn_core.net.activation import take_activated

FIRST = 300
"""Where these tests put their sockets: descriptor 3 of the tests' own process is in use."""


class Passed:
    """Opens sockets with the descriptors from FIRST on."""

    def __init__(self) -> None:
        self.sockets: list[socket.socket] = []

    def add(self, sock: socket.socket) -> socket.socket:
        with sock:
            fd = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD, FIRST)
        assert fd == FIRST + len(self.sockets), "the descriptor is in use"
        self.sockets.append(socket.socket(fileno=fd))
        return self.sockets[-1]


@pytest.fixture
def passed() -> Iterator[Passed]:
    passed = Passed()
    yield passed
    for sock in passed.sockets:
        sock.close()


def variables(count: object, pid: object | None = None, **more: str) -> dict[str, str]:
    for_pid = os.getpid() if pid is None else pid
    return {"LISTEN_FDS": str(count), "LISTEN_PID": str(for_pid), "HOME": "/", **more}


def test_all_of_them_are_taken_in_order(passed: Passed, tmp_path: Path) -> None:
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "web"))
    unix.listen(1)
    passed.add(unix)
    tcp = passed.add(socket.create_server(("127.0.0.1", 0)))
    environ = variables(2, LISTEN_FDNAMES="web:web", LISTEN_PIDFDID="1")
    listeners = take_activated(environ, os.getpid(), FIRST)
    port = tcp.getsockname()[1]
    assert [one.url for one in listeners] == [f"unix:{tmp_path}/web", f"http://127.0.0.1:{port}"]
    assert [str(one.address) for one in listeners] == [f"fd://{FIRST}", f"fd://{FIRST + 1}"]
    assert environ == {"HOME": "/"}
    for listener in listeners:
        listener.abandon()


def test_no_more_than_there_are(passed: Passed) -> None:
    passed.add(socket.create_server(("127.0.0.1", 0)))
    passed.add(socket.create_server(("127.0.0.1", 0)))
    (listener,) = take_activated(variables(1), os.getpid(), FIRST)
    listener.abandon()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_PID": str(os.getpid())},
        variables(1, pid=1),
        variables("many", pid=1),
        variables(0),
    ],
)
def test_those_of_another_process_are_left_alone(passed: Passed, environ: dict[str, str]) -> None:
    passed.add(socket.create_server(("127.0.0.1", 0)))
    remaining = dict(environ)
    assert take_activated(remaining, os.getpid(), FIRST) == []
    assert not [name for name in remaining if name.startswith("LISTEN_")]


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        (variables("two"), "LISTEN_FDS: expected a whole number, got 'two'"),
        (variables(-1), "LISTEN_FDS: expected a whole number, got '-1'"),
        (variables(1, pid="me"), "LISTEN_PID: expected a whole number, got 'me'"),
    ],
)
def test_what_is_no_number(environ: dict[str, str], message: str) -> None:
    with pytest.raises(BindError, match=message):
        take_activated(environ, os.getpid(), FIRST)


def test_error_names_the_socket_and_leaves_all_open(passed: Passed) -> None:
    passed.add(socket.create_server(("127.0.0.1", 0)))
    passed.add(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    message = rf"fd://{FIRST + 1} \(dns\) of the service manager: it is not a stream"
    with pytest.raises(BindError, match=message):
        take_activated(variables(2, LISTEN_FDNAMES="web:dns"), os.getpid(), FIRST)
    assert all(os.fstat(FIRST + number) for number in range(2))


def test_missing_descriptor(passed: Passed) -> None:
    passed.add(socket.create_server(("127.0.0.1", 0)))
    with pytest.raises(BindError, match=rf"fd://{FIRST + 1} of the service manager: .*not open"):
        take_activated(variables(2), os.getpid(), FIRST)
