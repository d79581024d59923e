"""Real servers, controlled by the command."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGHUP, SIGTERM
from typing import Any

import pytest

from corn_control.client import Connection
from corn_control.cornctl import main
from corn_control.protocol import Request
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.waiting import alive, wait_for

APP = """
import logging
import os

def app(environ, start_response):
    logging.getLogger("corn.error").debug("asked for %s", environ["PATH_INFO"])
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


class Control:
    """The command, for the server with this socket; it runs in the test's own process."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys

    def __call__(self, *words: str, path: Path | None = None, status: int = 0) -> str:
        """Run the command, which must end with this status; returns what it prints."""
        self._capsys.readouterr()
        found = main(["-s", str(path or self.path), *words])
        out, err = self._capsys.readouterr()
        assert found == status, out + err
        return (err if status else out).strip()

    def ask(self, *words: str) -> Any:
        return json.loads(self("--json", *words))["result"]


@pytest.fixture
def control(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Control]:
    (tmp_path / "site_app.py").write_text(APP)
    yield Control(tmp_path / "control", capsys)


def started(serve: Serve, control: Control, *arguments: str) -> Server:
    directory = control.path.parent
    server = serve("--control=control", "--timeout=60", *arguments, cwd=directory)
    wait_for(lambda: control.path.exists(), "the control socket")
    wait_for(lambda: control.ask("status")["state"] == "serving", "the workers")
    return server


def sockets(pid: int) -> int:
    """Count the unix sockets that a process has open."""
    inodes = set(re.findall(r"(\d+)(?: \S+)?$", Path("/proc/net/unix").read_text(), re.M))
    links = (os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir())
    found = (re.fullmatch(r"socket:\[(\d+)\]", link) for link in links)
    return sum(match is not None and match[1] in inodes for match in found)


def test_looking(serve: Serve, control: Control) -> None:
    server = started(serve, control, "--workers=2", "--env=PASSWORD=hunter2", "site_app:app")
    assert control.path.stat().st_mode & 0o777 == 0o600
    assert server.get() == "ok"
    lines = control("status").splitlines()
    assert lines[0] == "site_app:app: serving, generation 1, 2 of 2 workers"
    assert f"master {server.pid}, corn 0.1.0, sync workers" in lines[1]
    assert f"listens at {server.address.url}, 0 waiting" in lines[2]
    wait_for(lambda: "1 request answered" in control("status"), "the request to be counted")
    workers = control.ask("workers")["workers"]
    assert [each["pid"] for each in workers] == server.workers()
    assert (
        sum(each["requests"] for each in workers) == sum(each["counted"] for each in workers) == 1
    )
    settings = {each["name"]: each for each in control.ask("config")["settings"]}
    assert settings["workers"] == {"name": "workers", "value": "2", "origin": "flag --workers"}
    assert "hunter2" not in str(settings)
    assert control("top", "--count=1").startswith(lines[0])
    assert "stacks" in control("commands")
    with Connection(str(control.path)) as connection:
        assert connection.ask(Request("status", {}))["ok"]
        server.signal(SIGHUP)
        wait_for(lambda: control.ask("status")["generation"] == 2, "the reload")
        wait_for(lambda: len(server.workers()) == 2, "the old workers to go")
        # Neither the socket nor a connection to it, which was open when they were forked.
        assert [sockets(pid) for pid in server.workers()] == [0, 0]
    server.stop()
    assert not control.path.exists()


def test_bad_input_does_not_hold_up_the_master(serve: Serve, control: Control) -> None:
    server = started(serve, control, "site_app:app")
    silent = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(3)]
    for each, said in zip(silent, (b"", b'{"v":1', b"\xff" * 20000), strict=True):
        each.connect(str(control.path))
        each.sendall(said)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect(str(control.path))
        client.sendall(b"reload\n{}\n" + b'{"v":1,"command":"status","id":5}\n')
        with client.makefile() as answers:
            found = [json.loads(answers.readline()) for _ in range(3)]
        codes = [each.get("error", {}).get("code") for each in found]
        assert codes == ["bad-json", "bad-version", None] and found[2]["id"] == 5
    assert "there is no command 'nonsense'" in control("run", "nonsense", status=1)
    for each in silent:
        each.close()
    server.stop()


def test_reload(serve: Serve, control: Control) -> None:
    config = control.path.parent / "corn.conf.py"
    server = started(serve, control, "site_app:app")
    assert control("reload") == "generation 2 serves"
    config.write_text("workers = 'many'\n")
    assert "the server goes on as it was: workers: expected a whole" in control("reload", status=1)
    config.write_text("workers = 2\n")
    (control.path.parent / "site_app.py").write_text("import nowhere\n")
    server.tracebacks_expected = True
    told = control("reload", status=1)
    assert "a worker failed to boot" in told and "nowhere" in told
    assert control.ask("status")["workers"]["wanted"] == 1
    (control.path.parent / "site_app.py").write_text(APP)
    assert control.ask("reload")["generation"] == 4
    assert control.ask("status")["workers"]["serving"] == 2
    config.write_text("control = 'elsewhere'\n")
    assert "generation 5 serves" in control("reload")
    # The setting on the command line prevails.
    assert "changed" not in control("status")
    server.stop()


def test_orders(serve: Serve, control: Control) -> None:
    access = control.path.parent / "access"
    server = started(serve, control, f"--access-logfile={access}", "site_app:app")
    assert control("scale", "+2") == "3 of 3 workers serve"
    assert control("scale", "2") == "2 of 2 workers serve"
    assert len(server.workers()) == 2
    assert "between 0 and 1024" in control("scale", "-3", status=1)

    control("log-level", "debug")
    server.get("/loudly")
    assert "asked for /loudly" in server.log
    control("scale", "3")
    control("log-level", "warning")
    server.get("/softly")
    assert "asked for /softly" not in server.log
    control("log-level", "info")

    access.rename(control.path.parent / "moved")
    assert control("reopen-logs") == "the log files are open anew"
    assert access.exists()

    first, second, _ = server.workers()
    assert control("kill", str(first), "--signal=kill") == f"worker {first} has ended"
    assert control("recycle", str(second)) == f"worker {second} has been replaced"
    assert f"there is no worker {first}" in control("kill", str(first), status=1)
    wait_for(lambda: control.ask("status")["workers"]["serving"] == 3, "the third worker")
    assert not {first, second} & set(server.workers())
    assert "WARNING" not in server.log and "SIGKILL" not in server.log and "ERROR" not in server.log
    assert re.search(rf"Control: kill pid={first} signal=kill \(pid:{os.getpid()} uid:", server.log)
    server.stop()


def test_what_a_worker_does(serve: Serve, control: Control, gate: Gate, tmp_path: Path) -> None:
    server = serve(f"--control={control.path}", "--timeout=60", "probe:app")
    wait_for(lambda: control.path.exists(), "the control socket")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        (row,) = control.ask("requests")["requests"]
        assert (row["method"], row["in_flight"], row["state"]) == ("GET", 1, "busy")
        assert row["path"] == gate.path.partition("?")[0]
        stacks = control("stacks", str(row["pid"]))
        assert 'probe.py", line' in stacks and "Current thread" in stacks
        assert "not done within 0 seconds; it goes on" in control(
            *("--timeout=0", "recycle", str(row["pid"])), status=4
        )
        late = control("--timeout=0", "drain", status=4)
        assert late.endswith("it goes on")
        wait_for(lambda: control.ask("status")["state"] == "stopping", "the server to stop")
        assert "the server is stopping" in control("reload", status=1)
        gate.open()
    server.wait()
    assert not control.path.exists()
    control("status", status=3)


@pytest.fixture
def upgraded(serve: Serve, control: Control) -> Iterator[Callable[..., Server]]:
    """Start a server whose successors have ended with the test."""
    pids = [0]

    def start(*arguments: str) -> Server:
        server = started(serve, control, *arguments, "site_app:app")
        pids.append(server.pid)
        return server

    yield start
    if control.path.exists():
        pid = control.ask("status")["pid"]
        control("drain")
        wait_for(lambda: not alive(pid), "the new master to end")


def test_upgrade(upgraded: Callable[..., Server], control: Control) -> None:
    server = upgraded()
    beside = control.path.with_name("control.2")

    new = control.ask("upgrade", "--keep")["pid"]
    assert control.ask("status")["successor"] == new
    assert "there is another master" in control("upgrade", status=1)
    assert "2" not in control("drain", path=beside)
    wait_for(lambda: control.ask("status")["successor"] is None, "the new master to end")
    assert os.listdir(control.path.parent).count("control.2") == 0

    (control.path.parent / "site_app.py").write_text("import nowhere\n")
    server.tracebacks_expected = True
    assert "has not started" in control("upgrade", status=1)
    (control.path.parent / "site_app.py").write_text(APP)

    assert re.fullmatch(rf"master \d+ serves, in the place of {server.pid}", control("upgrade"))
    assert server.process.wait(60) == 0
    status = control.ask("status")
    assert status["pid"] != server.pid
    wait_for(lambda: control.ask("status")["predecessor"] is None, "the new master to be alone")
    assert not beside.exists()
    assert control("reload") == "generation 2 serves"


def test_a_killed_server_is_no_obstacle(serve: Serve, control: Control) -> None:
    left = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    left.bind(str(control.path))
    left.close()
    server = started(serve, control, "site_app:app")
    second = serve("--control=control", "site_app:app", cwd=control.path.parent, wait=False)
    second.wait(1)
    assert "another server answers there" in second.log
    control.path.unlink()  # as a cleaner of temporary files does
    server.stop(SIGTERM)
