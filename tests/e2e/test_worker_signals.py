"""Signals that are sent to a worker directly, and not by its master."""

from __future__ import annotations

import os
from pathlib import Path
from signal import (
    SIGABRT,
    SIGHUP,
    SIGINT,
    SIGQUIT,
    SIGTERM,
    SIGTTIN,
    SIGTTOU,
    SIGUSR1,
    SIGUSR2,
    SIGWINCH,
    Signals,
)

import pytest

from corn_testkit.client import parse, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.waiting import alive, wait_for

HOOKS = """
def worker_int(worker): worker.log.info("worker_int in %s.", worker.pid)
def worker_abort(worker): worker.log.info("worker_abort in %s.", worker.pid)
def worker_exit(server, worker): worker.log.info("worker_exit in %s.", worker.pid)
def child_exit(server, worker, status):
    server.log.info("child_exit of %s: %s.", worker.pid, status)
"""


@pytest.fixture
def hooks(tmp_path: Path) -> str:
    config = tmp_path / "hooks.py"
    config.write_text(HOOKS)
    return f"--config={config}"


@pytest.mark.parametrize(
    ("number", "hook", "status"),
    [(SIGINT, "worker_int", 0), (SIGQUIT, "worker_int", 0), (SIGABRT, "worker_abort", 1)],
)
def test_quick_end_with_its_hook(
    serve: Serve, gate: Gate, hooks: str, number: Signals, hook: str, status: int
) -> None:
    """In the middle of a request, which is lost; another worker takes its place."""
    server = serve(hooks, "--graceful-timeout=60", "--timeout=60", "probe:app")
    (worker,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        os.kill(worker, number)
        assert client.recv(1) == b""
    server.wait_for_log(rf"{hook} in {worker}\.")
    server.wait_for_log(rf"worker_exit in {worker}\.")
    server.wait_for_log(rf"child_exit of {worker}: {status}\.")
    assert int(server.get("/pid")) != worker
    server.stop()
    assert server.log.count(f"{hook} in {worker}.") == 1


def test_term_finishes_the_request(serve: Serve, gate: Gate, hooks: str) -> None:
    server = serve(hooks, "probe:app")
    (worker,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        os.kill(worker, SIGTERM)
        gate.open()
        assert parse(read_all(client)).text == f"waited in {worker}"
    server.wait_for_log(rf"child_exit of {worker}: 0\.")
    assert int(server.get("/pid")) != worker
    server.stop()
    assert f"worker_int in {worker}" not in server.log


def test_usr1_reopens_its_logs(serve: Serve, tmp_path: Path) -> None:
    """Its own only: the master goes on with the file that was moved."""
    log, moved = tmp_path / "log", tmp_path / "log.1"
    server = serve(f"--access-logfile={log}", "--access-logformat=%(U)s", "probe:app")
    worker = int(server.get("/pid"))
    wait_for(lambda: log.read_text() == "/pid\n", "the first line")
    log.rename(moved)
    os.kill(worker, SIGUSR1)
    wait_for(log.exists, "the new file")
    assert server.get("/pid") == str(worker)
    wait_for(lambda: log.read_text() == "/pid\n", "the line in the new file")
    assert moved.read_text() == "/pid\n"
    assert os.readlink(f"/proc/{server.pid}/fd/{descriptor(server.pid, moved)}") == str(moved)
    server.stop()


def descriptor(pid: int, path: Path) -> str:
    links = {entry.name: os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    found = [fd for fd, target in links.items() if target == str(path)]
    assert found, f"{path} is not open in {pid}: {links}"
    return found[0]


@pytest.mark.parametrize("number", [SIGHUP, SIGUSR2, SIGWINCH, SIGTTIN, SIGTTOU])
def test_signals_for_the_master_do_nothing(serve: Serve, gate: Gate, number: Signals) -> None:
    """Not while it waits for requests, and not while it handles one."""
    server = serve("probe:app")
    worker = int(server.get("/pid"))
    os.kill(worker, number)
    assert server.get("/pid") == str(worker)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        os.kill(worker, number)
        gate.open()
        assert parse(read_all(client)).text == f"waited in {worker}"
    assert alive(worker)
    server.stop()
    assert server.log.count("Booting worker") == 1


STUBBORN = """
import time

class Thing:
    def __del__(self):
        open("entered", "w").close()
        while True:
            time.sleep(0.01)

Thing()
while True:
    time.sleep(0.01)
"""


def test_an_order_that_comes_within_a_finalizer_is_obeyed(serve: Serve, tmp_path: Path) -> None:
    """What is raised there is lost; the worker would boot on, and Python complain."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    server = serve("--graceful-timeout=60", "stubborn:app", cwd=tmp_path)
    wait_for((tmp_path / "entered").exists, "the application to be imported")
    server.stop()
    assert "Exception ignored" not in server.log
