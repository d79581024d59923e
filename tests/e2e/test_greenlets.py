"""Behaviour that the workers with greenlets share: their driver, on each library."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from signal import SIGABRT, SIGHUP, SIGKILL, SIGQUIT, SIGTTIN, Signals

import pytest

from corn_testkit.client import get, parse, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

APPS = Path(__file__).with_name("apps")
LIBRARIES = ("gevent", "eventlet")


CLOSE = "Connection: close"


class Door:
    """Holds requests in the application until it is opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.request = get(f"/until?q={path}", CLOSE)

    def entered(self) -> None:
        wait_for(Path(f"{self._path}.entered").exists, "a request in the application")

    def open(self) -> None:
        self._path.touch()


@pytest.fixture
def door(tmp_path: Path) -> Door:
    return Door(tmp_path / "door")


@pytest.fixture(params=LIBRARIES)
def library(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def start(serve: Serve, library: str) -> Serve:
    """Starts a server with the worker class and the application of these tests."""

    def begin(*arguments: str, **more: object) -> Server:
        return serve("-k", library, *arguments, "green:app", cwd=APPS, **more)  # type: ignore[arg-type]

    return begin


# -- patching ------------------------------------------------------------------------


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["", "preload"])
def test_the_application_finds_everything_patched(
    start: Serve, library: str, preload: tuple[str, ...]
) -> None:
    server = start(*preload)
    found = json.loads(server.get("/patched"))
    expected = {"socket", "sleep", "popen"} | ({"fork"} if library == "gevent" else set())
    assert {name for name, module in found.items() if library in module} == expected
    assert server.get("/run?q=hello") == "hello\n"


def test_a_master_that_is_patched_is_a_master_still(start: Serve) -> None:
    server = start("--preload", "--workers=2")
    before = server.wait_for_workers(2)
    server.signal(SIGHUP)
    wait_for(lambda: not set(before) & set(server.workers()), "new workers")
    server.signal(SIGTTIN)
    victim, *others = server.wait_for_workers(3)
    os.kill(victim, SIGKILL)
    server.wait_for_log(rf"Worker \(pid:{victim}\) was sent SIGKILL!")
    assert set(others) < set(server.wait_for_workers(3))
    assert int(server.get()) in server.workers()
    server.stop()


# -- concurrency ---------------------------------------------------------------------


def test_worker_connections_limits_the_requests_at_once(start: Serve) -> None:
    server = start("--worker-connections=2")
    with ExitStack() as stack:
        clients = [stack.enter_context(server.address.connect()) for _ in range(8)]
        for client in clients:
            client.sendall(get("/crowd", CLOSE))
        answers = [parse(read_all(client)).text for client in clients]
    assert set(answers[2:]) == {"2"}


# -- the end -------------------------------------------------------------------------


def test_a_quick_stop_tells_every_request(start: Serve, tmp_path: Path) -> None:
    server = start("--access-logfile=-", "--access-logformat=%(U)s %(q)s")
    doors = [Door(tmp_path / str(number)) for number in range(3)]
    with ExitStack() as stack:
        for door in doors:
            client = stack.enter_context(server.address.connect())
            client.sendall(door.request)
            door.entered()
        server.stop(SIGQUIT)
    assert server.output.count("/until ") == 3


@pytest.mark.parametrize(
    ("number", "hook"), [(SIGQUIT, "worker_int"), (SIGABRT, "worker_abort")], ids=["quit", "abort"]
)
def test_hooks_of_signals_may_wait(
    start: Serve, tmp_path: Path, number: Signals, hook: str
) -> None:
    """Though the signal finds the worker in its hub, where nothing may."""
    config = tmp_path / "config.py"
    config.write_text(
        "import time\n"
        f"def {hook}(worker):\n"
        "    time.sleep(0.01)\n"
        f"    worker.log.info('{hook} has waited')\n"
    )
    server = start(f"--config={config}")
    (worker,) = server.wait_for_workers(1)
    os.kill(worker, number)
    server.wait_for_log(f"{hook} has waited")
    server.wait_for_log(rf"Worker exiting \(pid: {worker}\)")


# -- what applications raise ---------------------------------------------------------


def test_a_greenlet_that_is_killed_takes_its_connection_along(start: Serve) -> None:
    server = start()
    assert server.raw(get("/kill")) == b""
    assert int(server.get()) in server.workers()


def test_a_time_limit_of_the_library_is_a_failure(start: Serve, library: str) -> None:
    server = start()
    server.tracebacks_expected = True
    assert server.request(path=f"/limit?q={library}").status == 500
    server.wait_for_log("Error handling request /limit")
    assert int(server.get()) in server.workers()


# -- settings ------------------------------------------------------------------------


def test_threads_have_no_effect(start: Serve, library: str) -> None:
    server = start("--threads=4")
    server.wait_for_log(f"threads has no effect on worker class {library}")


def test_reload(start: Serve, serve: Serve, library: str, tmp_path: Path) -> None:
    source = tmp_path / "changing.py"
    text = (
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [b'%s']\n"
    )
    source.write_text(text % "one")
    server = serve("-k", library, "--reload", "changing:app", cwd=tmp_path)
    assert server.get() == "one"
    source.write_text(text % "three")
    wait_for(lambda: server.get() == "three", "the new code")
    server.stop()
