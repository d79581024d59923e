"""The server as process 1 of a container: it inherits every orphan, and gets no default action."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM, Signals

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.privileges import script
from corn_testkit.server import COMMAND, Server
from corn_testkit.waiting import children, polls, wait_for

APP = """
import os
import subprocess

def app(environ, start_response):
    if environ["PATH_INFO"] == "/orphan":
        # A process whose parent ends first becomes a child of process 1.
        path = environ["QUERY_STRING"]
        command = f"sh -c 'read line < {path}' > /dev/null 2>&1 & echo $!"
        found = subprocess.run(["sh", "-c", command], stdout=subprocess.PIPE).stdout
    else:
        found = str(os.getppid()).encode()
    start_response("200 OK", [])
    return [found]
"""


StartInit = Callable[..., Server]


@pytest.fixture
def serve_as_init(serve: Serve, tmp_path: Path) -> Iterator[StartInit]:
    """Starts servers as process 1; ``pid`` of the server is that of unshare(1)."""
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("unshare (util-linux) is not installed")
    command = [unshare, "--fork", "--pid", "--mount-proc", "--kill-child"]
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        pytest.skip("no new process namespace can be made here; only root may")
    (tmp_path / "orphaning.py").write_text(APP)
    started = script(tmp_path / "start", *command, COMMAND)

    def start(*arguments: str) -> Server:
        return serve(*arguments, cwd=tmp_path, command=started)

    yield start


def init_of(server: Server) -> int:
    (init,) = children(server.pid)
    return init


def names_of_children(pid: int) -> list[str]:
    """List the commands of a process's children, including zombies (proc(5))."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    names = []
    for child in text.split():
        try:
            stat = Path(f"/proc/{child}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it was reaped since its number was read
        names.append(stat.partition("(")[2].rpartition(")")[0])
    return names


def test_orphans_are_reaped_silently(serve_as_init: StartInit, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    server = serve_as_init("orphaning:app")
    assert server.get() == "1", "the worker's parent"
    init = init_of(server)
    orphan = server.get(f"/orphan?{fifo}").strip()
    wait_for(lambda: "sh" in names_of_children(init), "the orphan to be process 1's")
    fifo.write_text("go on\n")
    wait_for(lambda: "sh" not in names_of_children(init), "the orphan to be reaped")
    assert server.get() == "1"
    os.kill(init, SIGTERM)
    server.wait(0)
    assert f"pid:{orphan}" not in server.log and f"pid: {orphan}" not in server.log
    assert "[ERROR]" not in server.log and "[WARNING]" not in server.log


@pytest.mark.parametrize("number", [SIGTERM, SIGINT])
def test_it_stops(serve_as_init: StartInit, number: Signals) -> None:
    server = serve_as_init("--workers=2", "orphaning:app")
    assert server.get() == "1"
    os.kill(init_of(server), number)
    server.wait(0)
    assert "Shutting down: Master" in server.log


def idle(init: int) -> list[int]:
    """List the workers that have booted and wait for requests."""
    return [pid for pid in children(init) if polls(pid)]


def test_workers_are_replaced_and_reloaded(serve_as_init: StartInit) -> None:
    server = serve_as_init("orphaning:app")
    init = init_of(server)
    (worker,) = wait_for(lambda: idle(init), "the worker")
    os.kill(worker, SIGKILL)
    server.wait_for_log(r"Worker \(pid:\d+\) was sent SIGKILL!")
    (second,) = wait_for(lambda: [pid for pid in idle(init) if pid != worker], "the next one")
    os.kill(init, SIGHUP)
    wait_for(lambda: second not in children(init), "the old worker to end")
    assert server.get() == "1"
    os.kill(init, SIGTERM)
    server.wait(0)
