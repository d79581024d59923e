"""The server's offer to instruments: regular calls, the master's loop, a look at the workers."""

from __future__ import annotations

import json
import os
import re
import socket
from pathlib import Path
from signal import SIGKILL, SIGTTIN, SIGTTOU

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.waiting import wait_for

SNAPSHOTS = """
import json, os

def on_tick(server):
    told = [worker._asdict() for worker in server.snapshot()]
    with open(%r + ".new", "w") as file:
        json.dump(told, file)
    os.replace(%r + ".new", %r)
"""

PORT_OF_ITS_OWN = """
import socket

door = socket.socket()
door.bind(("127.0.0.1", 0))

def when_ready(server):
    door.listen()
    door.setblocking(False)
    server.log.info("Door at %s.", door.getsockname()[1])
    server.watch(door, lambda: answer(server))

def post_fork(server, worker):
    door.close()

def answer(server):
    client, _ = door.accept()
    with client:
        if server.cfg.proc_name == "failing":
            raise RuntimeError("the door is stuck")
        client.sendall(f"{len(server.snapshot())} workers".encode())
        if server.cfg.proc_name == "once":
            server.unwatch(door)
            door.close()
"""

REASONS = """
def child_exit(server, worker, status, reason):
    server.log.info("Ended: %s %s.", worker.pid, reason)
"""

TELLING = """
def post_request(worker, req, environ, resp):
    worker.log.info("Answered %s in %r.", req.path, resp.duration)

def request_refused(worker, req, resp):
    worker.log.info("Refused %s with %s.", req and req.path, resp.status_code)
"""


def config(directory: Path, text: str) -> str:
    path = directory / "instrument.py"
    path.write_text(text)
    return f"--config={path}"


def test_a_regular_look_at_the_workers(serve: Serve, gate: Gate, tmp_path: Path) -> None:
    told = tmp_path / "told"
    server = serve(config(tmp_path, SNAPSHOTS % ((str(told),) * 3)), "-w2", "probe:app")
    pids = server.wait_for_workers(2)

    def states() -> list[str]:
        return [f"{each['state']} {each['in_flight']}" for each in json.loads(told.read_text())]

    wait_for(lambda: told.exists() and states() == ["idle 0", "idle 0"], "two idle workers")
    assert sorted(each["pid"] for each in json.loads(told.read_text())) == pids
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        wait_for(lambda: sorted(states()) == ["busy 1", "idle 0"], "a busy worker")
        (busy,) = [each for each in json.loads(told.read_text()) if each["state"] == "busy"]
        assert busy["method"] == "GET"
        assert busy["request_started"] > 0
        gate.open()
    wait_for(lambda: states() == ["idle 0", "idle 0"], "two idle workers again")
    wait_for(
        lambda: sum(each["requests"] for each in json.loads(told.read_text())) == 1,
        "the request to be counted",
    )


def ask(door: int) -> bytes:
    with socket.create_connection(("127.0.0.1", door), timeout=5) as client:
        return client.recv(100)


def is_refused(door: int) -> bool:
    try:
        ask(door)
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # it was in the backlog of a socket that was closed this moment
    return False


def test_a_descriptor_in_the_loop_of_the_master(serve: Serve, tmp_path: Path) -> None:
    server = serve(config(tmp_path, PORT_OF_ITS_OWN), "--name=once", "-w3", "probe:app")
    server.wait_for_workers(3)
    door = int(server.wait_for_log(r"Door at (\d+)\.")[1])
    assert ask(door) == b"3 workers"
    wait_for(lambda: is_refused(door), "the door to be closed")
    # The loop no longer knows it, and runs.
    server.signal(SIGTTIN)
    server.wait_for_workers(4)


def test_a_callback_that_fails_is_logged(serve: Serve, tmp_path: Path) -> None:
    server = serve(config(tmp_path, PORT_OF_ITS_OWN), "--name=failing", "probe:app")
    server.tracebacks_expected = True
    door = int(server.wait_for_log(r"Door at (\d+)\.")[1])
    assert ask(door) == b""
    assert ask(door) == b""
    server.wait_for_log("RuntimeError: the door is stuck", count=2)
    assert server.get("/pid")


def test_why_a_worker_has_ended(serve: Serve, tmp_path: Path) -> None:
    hooks = config(tmp_path, REASONS)
    server = serve(hooks, "-w2", "--max-requests=3", "probe:app")
    first, second = server.wait_for_workers(2)
    server.signal(SIGTTOU)
    server.wait_for_log(rf"Ended: ({first}|{second}) surplus\.")
    (left,) = server.wait_for_workers(1)
    for _ in range(3):
        server.get("/pid")
    server.wait_for_log(rf"Ended: {left} requests\.")
    (newest,) = server.wait_for_workers(1)
    os.kill(newest, SIGKILL)
    server.wait_for_log(rf"Ended: {newest} killed\.")
    (last,) = server.wait_for_workers(1)
    server.stop()
    assert re.search(rf"Ended: {last} stop\.", server.log)


RECYCLING = """
asked = []

def on_tick(server):
    serving = [worker.pid for worker in server.snapshot() if worker.state == "idle"]
    if serving and not asked:
        asked.append(serving[0])
        answers = [server.recycle(pid, "tired") for pid in (serving[0], serving[0], 1)]
        server.log.info("Recycled: %s.", answers)

def child_exit(server, worker, status, reason):
    server.log.info("Ended: %s %s.", worker.pid, reason)
"""


def test_a_worker_that_a_plugin_recycles(serve: Serve, tmp_path: Path) -> None:
    server = serve(config(tmp_path, RECYCLING), "probe:app")
    server.wait_for_log(r"Recycled: \[True, False, False\]\.")
    gone = server.wait_for_log(r"Ended: (\d+) tired\.")[1]
    assert server.get("/pid") != gone
    server.stop()


def test_durations_and_refusals(serve: Serve, gate: Gate, tmp_path: Path) -> None:
    server = serve(config(tmp_path, TELLING), "probe:app")
    server.get("/pid")
    assert 0 < float(server.wait_for_log(r"Answered /pid in ([\d.e-]+)\.")[1]) < 60
    server.raw(b"GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n")
    server.wait_for_log(r"Refused (/x|None) with 400\.")
    server.raw(b"nonsense\r\n\r\n")
    server.wait_for_log(r"Refused None with 400\.")


PATCHING = """
import os
from corn_core.serving.selector import SelectorDriver
from corn_core.serving.settings import client_limits
from corn_core.worker import Worker


class PatchingWorker(Worker):
    @classmethod
    def before_boot(cls, config, log):
        log.info("Prepared %s.", os.getpid())
        os.environ["PREPARED"] = str(os.getpid())

    def run(self):
        SelectorDriver(self, client_limits(self.cfg, keepalive=0)).run()
"""

PREPARED_APP = """
import os

SEEN = os.environ.get("PREPARED", "nothing")

def app(environ, start_response):
    start_response("200 OK", [])
    return [SEEN.encode()]
"""


@pytest.mark.parametrize("preload", [True, False], ids=["preload", "workers"])
def test_the_process_is_prepared_before_the_application_is_imported(
    serve: Serve, tmp_path: Path, preload: bool
) -> None:
    (tmp_path / "patching.py").write_text(PATCHING)
    (tmp_path / "prepared.py").write_text(PREPARED_APP)
    arguments = ("--preload",) if preload else ()
    server = serve("-k", "patching:PatchingWorker", *arguments, "prepared:app", cwd=tmp_path)
    (worker,) = server.wait_for_workers(1)
    assert server.get() == str(server.pid if preload else worker)
    prepared = re.findall(r"Prepared (\d+)\.", server.log)
    assert prepared == [str(server.pid), str(worker)] if preload else [str(worker)]
