"""Real servers, and a service manager that listens on NOTIFY_SOCKET."""

from __future__ import annotations

import json
import os
import select
import socket
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP, SIGTTIN
from time import monotonic_ns

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import COMMAND
from corn_testkit.waiting import DEADLINE, wait_for
from tests.e2e.test_upgrade import end, upgrade, wait_for_nothing

NAME = f"@corn-notify-test-{os.getpid()}"


class Manager:
    """The service manager's end of the socket."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + NAME[1:])
        self.socket.settimeout(DEADLINE)
        self.env = {"NOTIFY_SOCKET": NAME}

    def next(self) -> dict[str, str]:
        """Return the next message's assignments, heartbeats left out."""
        while True:
            message = dict(line.split("=", 1) for line in self.any().split("\n"))
            if message != {"WATCHDOG": "1"}:
                return message

    def any(self) -> str:
        return self.socket.recv(4096).decode()

    def silent(self) -> bool:
        return not select.select([self.socket], [], [], 0)[0]


@pytest.fixture
def manager() -> Iterator[Manager]:
    made = Manager()
    with made.socket:
        yield made


def test_life_of_a_server(serve: Serve, manager: Manager) -> None:
    server = serve("--workers=2", "probe:app", env=manager.env)
    assert manager.next() == {"STATUS": "Starting"}
    assert manager.next() == {
        "READY": "1",
        "MAINPID": str(server.pid),
        "STATUS": "Serving with 2 workers",
    }
    server.signal(SIGTTIN)
    assert manager.next() == {"STATUS": "Serving with 3 workers"}
    before = monotonic_ns() // 1000
    server.signal(SIGHUP)
    reloading = manager.next()
    assert before <= int(reloading.pop("MONOTONIC_USEC")) <= monotonic_ns() // 1000
    assert reloading == {"RELOADING": "1", "STATUS": "Reloading"}
    ready = manager.next()
    assert (ready["READY"], ready["STATUS"]) == ("1", "Serving with 3 workers")
    server.stop()
    assert manager.next() == {"STOPPING": "1", "STATUS": "Stopping."}
    assert manager.silent()


def test_ready_means_that_all_workers_serve(
    serve: Serve, manager: Manager, gate: Gate, tmp_path: Path
) -> None:
    # One worker boots at once, the other one waits at the gate.
    (tmp_path / "half.py").write_text(
        "import os\n"
        "try:\n"
        "    os.mkdir('first')\n"
        "except FileExistsError:\n"
        f"    with open({str(tmp_path / 'gate')!r}) as gate:\n"
        "        gate.read()\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n"
    )
    server = serve("--workers=2", "half:app", cwd=tmp_path, env=manager.env)
    assert manager.next() == {"STATUS": "Starting"}
    gate.entered()
    assert server.get() == "hello", "the first one serves"
    assert manager.silent()
    gate.open()
    assert manager.next()["READY"] == "1"
    server.stop()


def test_failed_reload_ends_and_says_so(serve: Serve, manager: Manager, tmp_path: Path) -> None:
    good = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"
    (tmp_path / "site_app.py").write_text(good)
    server = serve("site_app:app", cwd=tmp_path, env=manager.env)
    server.tracebacks_expected = True
    assert manager.next() == {"STATUS": "Starting"}
    assert manager.next()["READY"] == "1"
    for path, text in (("site_app.py", "def app(:\n"), ("corn.conf.py", "workers = 'no'\n")):
        (tmp_path / path).write_text(text)
        server.signal(SIGHUP)
        assert manager.next()["RELOADING"] == "1"
        ready = manager.next()
        assert (ready["READY"], ready["STATUS"]) == ("1", "Reload failed. Serving with 1 worker")
    (tmp_path / "site_app.py").write_text(good)
    (tmp_path / "corn.conf.py").write_text("")
    server.signal(SIGHUP)
    assert manager.next()["RELOADING"] == "1"
    assert manager.next()["STATUS"] == "Serving with 1 worker"
    server.stop()


def test_failed_start(serve: Serve, manager: Manager) -> None:
    server = serve("no_app_of_this_name:app", env=manager.env, wait=False)
    server.tracebacks_expected = True
    server.wait(4)
    assert manager.next() == {"STATUS": "Starting"}
    assert manager.next() == {"STOPPING": "1", "STATUS": "Stopping. App failed to load."}
    assert manager.silent()


def test_watchdog_is_fed_also_while_a_reload_waits_for_an_address(
    serve: Serve, manager: Manager, tmp_path: Path
) -> None:
    config = tmp_path / "config.py"
    config.write_text("")
    env = {**manager.env, "WATCHDOG_USEC": "2000000"}
    server = serve(f"--config={config}", "probe:app", bind=(), env=env)
    heard: list[str] = []
    while heard.count("WATCHDOG=1") < 2 or not any("READY=1" in each for each in heard):
        heard.append(manager.any())
    with socket.create_server(("127.0.0.1", 0)) as other:
        config.write_text(f"bind = '127.0.0.1:{other.getsockname()[1]}'\n")
        while not manager.silent():
            manager.any()
        server.signal(SIGHUP)
        heard.clear()
        while "RELOADING=1" not in "".join(heard):
            heard.append(manager.any())
    # It has given up after five attempts, one second apart.
    assert heard.count("WATCHDOG=1") >= 3
    assert "Retrying in 1 second" in server.log
    assert manager.next()["READY"] == "1"
    server.stop()


def test_watchdog_of_another_process(serve: Serve, manager: Manager) -> None:
    env = {**manager.env, "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}
    server = serve("probe:app", env=env)
    assert server.get() == "hello"
    server.stop()
    heard = []
    while not manager.silent():
        heard.append(manager.any())
    assert heard and "WATCHDOG=1" not in heard


def test_variables_do_not_reach_the_application(
    serve: Serve, manager: Manager, tmp_path: Path
) -> None:
    (tmp_path / "environment.py").write_text(
        "import json, os\n"
        "loaded = sorted(os.environ)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [json.dumps(loaded + sorted(os.environ)).encode()]\n"
    )
    env = {**manager.env, "WATCHDOG_USEC": "9000000", "COLOUR": "red"}
    server = serve("--preload", "environment:app", cwd=tmp_path, env=env)
    names = json.loads(server.get())
    assert names.count("COLOUR") == 2
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}.intersection(names)
    server.stop()


@pytest.mark.parametrize(
    ("address", "warning"),
    [
        ("/nowhere/at/all", "cannot be told anything.*No such file"),
        (f"{NAME}-gone", "cannot be told anything.*Connection refused"),
        ("vsock:2:99", "NOTIFY_SOCKET is neither a path nor @NAME"),
        ("/" + "x" * 200, "cannot be told anything"),
    ],
    ids=["no file", "no listener", "another family", "too long"],
)
def test_socket_that_cannot_be_told_anything(serve: Serve, address: str, warning: str) -> None:
    server = serve("probe:app", env={"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "2000000"})
    assert server.get() == "hello"
    server.wait_for_log(warning)
    server.signal(SIGHUP)
    server.wait_for_log("Worker exiting")
    assert server.get() == "hello"
    server.stop()
    assert server.log.count("[WARNING]") == 1


def test_socket_that_dies_later(serve: Serve, manager: Manager) -> None:
    server = serve("probe:app", env={**manager.env, "WATCHDOG_USEC": "2000000"})
    assert manager.next() == {"STATUS": "Starting"}
    assert manager.next()["READY"] == "1"
    manager.socket.close()
    server.wait_for_log("cannot be told anything")
    assert server.get() == "hello"
    server.stop()


def test_reader_that_does_not_read(serve: Serve, manager: Manager) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.setblocking(False)
        while True:
            try:
                other.sendto(b"x", "\0" + NAME[1:])
            except BlockingIOError:
                break
    server = serve("probe:app", env=manager.env)
    assert server.get() == "hello"
    wait_for(lambda: manager.any() != "x", "a message")
    assert manager.next()["READY"] == "1"
    server.stop()


def test_service_manager_hears_from_one_master_at_a_time(serve: Serve, manager: Manager) -> None:
    script = 'WATCHDOG_PID=$$ exec "$0" "$@"'
    env = {**manager.env, "WATCHDOG_USEC": "2000000"}
    server = serve("-c", script, COMMAND, "probe:app", command="/bin/sh", env=env)
    assert manager.next() == {"STATUS": "Starting"}
    assert manager.next()["MAINPID"] == str(server.pid)
    end(upgrade(server))
    server.signal(SIGTTIN)
    assert manager.next() == {"STATUS": "Serving with 2 workers"}
    new = upgrade(server)
    end(server.pid)
    assert manager.next() == {"MAINPID": str(new)}
    ready = {"READY": "1", "MAINPID": str(new), "STATUS": "Serving with 1 worker"}
    assert manager.next() == ready
    assert manager.any() == "WATCHDOG=1"
    end(new)
    assert manager.next() == {"STOPPING": "1", "STATUS": "Stopping."}
    wait_for_nothing(server)


def test_the_log_says_what_is_missing(serve: Serve, manager: Manager) -> None:
    server = serve("--disable-plugin=systemd", "probe:app", env=manager.env)
    assert server.get() == "hello"
    server.wait_for_log("NOTIFY_SOCKET needs the plugin corn-systemd, which is disabled")
    server.stop()
    assert manager.silent()
