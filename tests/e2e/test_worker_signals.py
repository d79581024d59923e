"""Signals that are sent to a worker directly, and not by its master."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGUSR1

from corn_testkit.descriptors import open_files
from corn_testkit.fixtures import Serve
from corn_testkit.waiting import wait_for


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


def descriptor(pid: int, path: Path) -> int:
    links = open_files(pid)
    found = [fd for fd, target in links.items() if target == str(path)]
    assert found, f"{path} is not open in {pid}: {links}"
    return found[0]


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
    """An exception raised there is lost: the worker would boot on, and Python complain."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    server = serve("--graceful-timeout=60", "stubborn:app", cwd=tmp_path)
    wait_for((tmp_path / "entered").exists, "the application to be imported")
    server.stop()
    assert "Exception ignored" not in server.log
