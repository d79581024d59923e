"""What the workers with greenlets have in common: the stream driver, on each library."""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from signal import SIGABRT, SIGHUP, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, Signals
from socket import SO_RCVBUF, SOL_SOCKET, socket

import pytest

from corn_testkit.client import parse, parse_all, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.tls import Certificate, secured
from corn_testkit.waiting import wait_for

APPS = Path(__file__).with_name("apps")
LIBRARIES = ("gevent", "eventlet")


def get(path: str, *fields: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode()


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


def test_a_waiting_request_holds_up_nobody(start: Serve, door: Door) -> None:
    """Nor the heartbeat: the worker outlives several of its timeouts."""
    server = start("--timeout=1", "--header-timeout=3")
    with server.address.connect() as slow, server.address.connect() as slower:
        slow.sendall(door.request)
        door.entered()
        slower.sendall(b"GET / HTTP/1.1\r\n")
        worker = int(server.get())
        assert b" 408 " in read_all(slower)
        door.open()
        assert parse(read_all(slow)).text == "waited"
    assert server.workers() == [worker]


def test_a_blocked_hub_is_noticed(start: Serve) -> None:
    server = start("--timeout=1")
    server.tracebacks_expected = True
    (worker,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(get("/spin"))
        server.wait_for_log(rf"WORKER TIMEOUT \(pid:{worker}\).*handling GET /spin")
        server.wait_for_log(r"green\.py.* in spin$")
        assert client.recv(1) == b""
    assert int(server.get()) != worker
    server.stop()


def test_worker_connections_limits_the_requests_at_once(start: Serve) -> None:
    server = start("--worker-connections=2")
    with ExitStack() as stack:
        clients = [stack.enter_context(server.address.connect()) for _ in range(8)]
        for client in clients:
            client.sendall(get("/crowd", CLOSE))
        answers = [parse(read_all(client)).text for client in clients]
    assert set(answers[2:]) == {"2"}


# -- slow clients --------------------------------------------------------------------


@pytest.fixture
def narrow() -> Iterator[socket]:
    """A client with little room for what it has not read."""
    with socket() as client:
        client.settimeout(30)
        client.setsockopt(SOL_SOCKET, SO_RCVBUF, 4096)
        yield client


def test_a_slow_reader_gets_everything(start: Serve, narrow: socket) -> None:
    server = start()
    narrow.connect(("127.0.0.1", server.address.port))
    narrow.sendall(get("/large?q=20000", CLOSE))
    assert int(server.get()) in server.workers()
    body = parse(read_all(narrow)).body
    assert len(body) == 20000 * 1024
    assert set(body.splitlines()) == {b"%1023d" % 7}


def test_a_reader_that_never_reads_is_let_go(start: Serve, narrow: socket) -> None:
    server = start("--write-timeout=1", "--access-logfile=-", "--access-logformat=%(r)s %(s)s")
    narrow.connect(("127.0.0.1", server.address.port))
    narrow.sendall(get("/large?q=20000", CLOSE))
    wait_for(lambda: "GET /large" in server.output, "the request to end")
    assert len(read_all(narrow)) < 20000 * 1024


def test_tls(start: Serve, certificate: Certificate, context: ssl.SSLContext) -> None:
    server = start(f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}")
    with secured(server.address.connect(), context) as client:
        client.sendall(get("/") + get("/large?q=5000") + get("/", CLOSE))
        first, large, last = parse_all(read_all(client))
    assert first.text == last.text
    assert len(large.body) == 5000 * 1024


# -- the end -------------------------------------------------------------------------


def test_term_waits_for_requests_and_for_no_idle_client(start: Serve, door: Door) -> None:
    server = start("--keep-alive=600", "--graceful-timeout=600")
    with ExitStack() as stack:
        idle, busy = (stack.enter_context(server.address.connect()) for _ in range(2))
        idle.sendall(get("/"))
        assert idle.recv(1)
        busy.sendall(door.request)
        door.entered()
        server.signal(SIGTERM)
        # Kept for another request, which is given a second to arrive.
        assert read_all(idle)
        door.open()
        assert parse(read_all(busy)).text == "waited"
        server.wait()


def test_graceful_timeout_ends_what_does_not_end(start: Serve, door: Door) -> None:
    server = start("--graceful-timeout=1")
    with server.address.connect() as client:
        client.sendall(door.request)
        door.entered()
        server.signal(SIGTERM)
        assert client.recv(1) == b""
    server.wait()


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
