"""A process that the application forks does not act as the worker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from corn_testkit.asgi.frames import CLOSE, TEXT, FrameStream, opened
from corn_testkit.client import get, parse_all, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.waiting import alive, wait_for

APPS = Path(__file__).with_name("apps")

WAYS = ("answer", "answer_and_ignore", "go_on", "wait", "after", "asyncio_thread", "anyio_thread")


@pytest.fixture(params=["asyncio", "uvloop"])
def server(request: pytest.FixtureRequest, serve: Serve) -> Server:
    loop: str = request.param
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    return serve("-k", "asgi", f"--asgi-loop={loop}", "forking:app", cwd=APPS)


def ask(server: Server, path: str) -> str:
    with server.address.connect() as client:
        client.sendall(get(path, "Connection: close"))
        (reply,) = parse_all(read_all(client))
    return reply.text


@pytest.mark.parametrize("way", WAYS)
def test_only_the_worker_answers(server: Server, way: str) -> None:
    """The worker waits for its child, so each reply is given after the child has ended."""
    (worker,) = server.wait_for_workers(1)
    with server.address.connect() as idle:
        idle.sendall(get("/pid"))
        for _ in range(2):
            child = int(ask(server, f"/{way}"))
            assert child not in (0, worker) or way == "after"
            assert ask(server, "/pid") == str(worker)
        idle.sendall(get("/pid", "Connection: close"))
        assert [reply.text for reply in parse_all(read_all(idle))] == [str(worker)] * 2
    server.wait_for_log("has returned to the server; it is ended, and should have called os._exit")
    server.stop()


def test_only_the_worker_sends_in_a_websocket(server: Server) -> None:
    with opened(server.address) as client:
        (kind, data), (end, _) = FrameStream(client).take(2)
    assert (kind, end) == (TEXT, CLOSE)
    assert int(data) > 0
    server.stop()


def test_child_that_lives_on_does_not_keep_connections_open(server: Server) -> None:
    child = int(ask(server, "/stay"))
    assert alive(child)
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: not alive(child), "the child to end")
    server.stop()
