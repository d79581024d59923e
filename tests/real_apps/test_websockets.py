"""WebSockets of the libraries that WSGI applications have them from, with real clients."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import SIGTERM
from typing import Any

import pytest
import websocket

from corn_testkit.server import Server
from corn_testkit.waiting import DEADLINE, wait_for

HERE = Path(__file__).parent

LOG = logging.getLogger("tests.socketio")

THREADED = ("gthread", "--threads=4")
ONE_AT_A_TIME = (("sync",), ("tornado",))
SEVERAL = (THREADED, ("gevent",), ("eventlet",), ("aiohttp",))

Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server of an application; its access log is its standard output."""
    servers: list[Server] = []

    def start(app: str, worker: tuple[str, ...], **env: str) -> Server:
        line = ["-k", *worker, "--bind=127.0.0.1:0", "--access-logfile=-"]
        line += ["--access-logformat=%(U)s %(s)s", app]
        servers.append(Server(tmp_path, line, HERE, env))
        return servers[-1].started()

    yield start
    for server in servers:
        server.kill()
        server.check_log()


def connect(server: Server, path: str) -> Any:
    url = server.address.url.replace("http", "ws")
    return websocket.create_connection(url + path, timeout=DEADLINE)


def say(client: Any, text: str) -> None:
    client.send(text)
    assert client.recv() == text


def lines(server: Server, path: str, count: int = 1) -> list[str]:
    """Return the access lines of a path, once there are that many."""

    def found() -> list[str] | None:
        seen = [line for line in server.output.splitlines() if f"{line} ".startswith(f"{path} ")]
        return seen if len(seen) >= count else None

    return wait_for(found, f"access line {count} of {path}") or []


def check_quiet(server: Server) -> None:
    assert not re.findall(r".*\[(?:WARNING|ERROR|CRITICAL)\].*", server.log)


def name(worker: tuple[str, ...]) -> str:
    return worker[0]


# -- Flask-Sock ----------------------------------------------------------------------


@pytest.mark.parametrize("worker", (*ONE_AT_A_TIME, *SEVERAL), ids=name)
def test_flask_sock(start: Start, worker: tuple[str, ...]) -> None:
    server = start("sock_app:app", worker)
    for number in range(3):
        client = connect(server, "/once")
        say(client, f"text {number}")
        # The view has returned: the library says goodbye, as RFC 6455 section 5.5.1 has it.
        opcode, data = client.recv_data()
        assert (opcode, data[:2]) == (websocket.ABNF.OPCODE_CLOSE, b"\x03\xe8")
        # close() would do nothing now, and leave the socket open.
        client.shutdown()
    assert lines(server, "/once", 3) == ["/once 101"] * 3
    assert server.get() == "hello"
    if worker in SEVERAL:
        is_served_beside_others(server)
    server.stop()
    check_quiet(server)


def is_served_beside_others(server: Server) -> None:
    silent = connect(server, "/echo")
    assert [server.get() for _ in range(5)] == ["hello"] * 5
    say(silent, "grüß Gott")
    silent.close()
    assert lines(server, "/echo") == ["/echo 101"]


def test_flask_sock_view_that_fails(start: Start) -> None:
    server = start("sock_app:app", THREADED)
    server.tracebacks_expected = True
    client = connect(server, "/fail")
    client.send("now")
    # Flask's page is not sent into the WebSocket.
    with pytest.raises(websocket.WebSocketConnectionClosedException):
        client.recv()
    client.shutdown()
    assert lines(server, "/fail") == ["/fail 500"]
    server.stop()
    assert server.log.count("Traceback (most recent call last)") == 1
    assert "[ERROR]" not in server.log


@pytest.mark.parametrize("worker", SEVERAL, ids=name)
def test_term_does_not_wait_longer_than_graceful_timeout(
    start: Start, worker: tuple[str, ...]
) -> None:
    server = start("sock_app:app", (*worker, "--graceful-timeout=1"))
    client = connect(server, "/echo")
    say(client, "here")
    server.signal(SIGTERM)
    server.wait_for_log("Handling signal: term")
    server.wait()
    client.shutdown()


# -- Flask-SocketIO ------------------------------------------------------------------


TRANSPORTS = (["polling"], ["websocket"], ["polling", "websocket"])


@pytest.mark.parametrize(
    ("worker", "mode", "hidden"),
    [
        (("gthread", "--threads=16"), "threading", ""),
        (("aiohttp", "--threads=16"), "threading", ""),
        (("gevent",), "threading", ""),
        (("gevent",), "gevent", "geventwebsocket"),
        (("gevent_websocket",), "gevent", ""),
        (("eventlet",), "threading", ""),
        (("eventlet",), "eventlet", ""),
    ],
)
def test_flask_socketio(start: Start, worker: tuple[str, ...], mode: str, hidden: str) -> None:
    server = start("socketio_app:app", worker, ASYNC_MODE=mode, HIDDEN=hidden)
    switched = 0
    for transports in TRANSPORTS:
        ask(server, transports)
        if "websocket" in transports:
            switched += 1
            lines(server, "/socket.io/ 101", switched)
        assert server.output.count(" 101\n") == switched, transports
    server.stop()
    assert server.output.count(" 101\n") == switched
    assert " 500\n" not in server.output
    check_quiet(server)


def ask(server: Server, transports: list[str]) -> None:
    """Have a client that may use these transports ask for something."""
    import socketio  # here, because every process of a run collects this, and few run it

    # With loggers of ours and no handler of SIGINT, it leaves nothing behind in this process.
    client_of = socketio.SimpleClient(
        request_timeout=DEADLINE, handle_sigint=False, logger=LOG, engineio_logger=LOG
    )
    with client_of as client:
        client.connect(server.address.url, transports=transports, wait_timeout=DEADLINE)
        if "websocket" in transports:
            wait_for(lambda: client.transport == "websocket", "the upgrade")
        assert client.call("ask", "hello", timeout=DEADLINE) == "HELLO", transports
        assert server.get() == "hello"


# -- gevent-websocket, and eventlet's own --------------------------------------------


GREENLETS = [("gevent_websocket", "with_gevent"), ("eventlet", "with_eventlet")]


@pytest.mark.parametrize(("worker", "app"), GREENLETS)
def test_websockets_of_a_library_of_greenlets(start: Start, worker: str, app: str) -> None:
    server = start(f"greenlet_apps:{app}", (worker,))
    with_others = connect(server, "/echo")
    assert server.get() == "hello"
    say(with_others, "grüß Gott")
    with_others.close()
    assert lines(server, "/echo") == ["/echo 101"]
    server.stop()
    check_quiet(server)


@pytest.mark.parametrize(("worker", "app"), GREENLETS)
def test_failure_on_a_websocket_of_theirs(start: Start, worker: str, app: str) -> None:
    server = start(f"greenlet_apps:{app}", (worker,))
    server.tracebacks_expected = True
    client = connect(server, "/echo")
    client.send("fail")
    while client.connected:
        try:
            client.recv()
        except websocket.WebSocketConnectionClosedException:
            break
    client.shutdown()
    server.wait_for_log("ValueError: the application has failed")
    assert lines(server, "/echo") == ["/echo 500"]
    server.stop()


@pytest.mark.parametrize(("worker", "app"), GREENLETS)
def test_handshake_that_is_refused(start: Start, worker: str, app: str) -> None:
    server = start(f"greenlet_apps:{app}", (worker,))
    fields = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "99"}
    reply = server.request(path="/echo", headers=fields)
    assert reply.status in (400, 426)
    assert lines(server, "/echo") == [f"/echo {reply.status}"]
    server.stop()
