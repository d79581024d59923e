"""An upgrade of a server whose sockets were passed to it, or that a service manager watches."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import COMMAND, Server
from corn_testkit.waiting import listening, wait_for
from tests.e2e.test_activation import LAUNCHER, url
from tests.e2e.test_upgrade import (
    end,
    masters,
    promoted,
    serving,
    upgrade,
    wait_for_nothing,
)

APP = """
import os

def app(environ, start_response):
    strange = [name for name in os.environ if name.startswith(("LISTEN_", "CORN_FDS"))]
    body = f"{strange} {os.getppid()}".encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


@pytest.fixture
def passed(tmp_path: Path) -> Iterator[list[socket.socket]]:
    (tmp_path / "asking.py").write_text(APP)
    with ExitStack() as stack:
        unix = stack.enter_context(socket.socket(socket.AF_UNIX))
        unix.bind(str(tmp_path / "web.sock"))
        unix.listen(16)
        yield [unix, stack.enter_context(socket.create_server(("127.0.0.1", 0)))]


def start(serve: Serve, way: str, sockets: list[socket.socket], cwd: Path) -> Server:
    fds = [sock.fileno() for sock in sockets]
    if way == "fd://":
        bind = tuple(f"fd://{fd}" for fd in fds)
        return serve("asking:app", bind=bind, cwd=cwd, pass_fds=fds)
    arguments = (LAUNCHER, ",".join(map(str, fds)), "--", COMMAND, "asking:app")
    return serve(*arguments, bind=(), cwd=cwd, command=sys.executable, pass_fds=fds)


@pytest.mark.parametrize("way", ["activation", "fd://"])
def test_passed_sockets_go_to_every_new_master(
    serve: Serve, passed: list[socket.socket], tmp_path: Path, way: str
) -> None:
    server = start(serve, way, passed, tmp_path)
    unix, tcp = server.addresses
    master = server.pid
    wait_for(lambda: serving(server, server.pid), "the first master's worker")
    # The second one is upgraded too: it was told about its sockets in another way.
    for _ in range(2):
        undone = upgrade(server, master)
        end(undone)
        assert masters(unix, times=3) == masters(tcp, times=3) == {master}
        new = upgrade(server, master)
        assert [each.url for each in server.addresses] == [url(sock) for sock in passed]
        end(master)
        promoted(server, master)
        assert masters(unix, times=3) == masters(tcp, times=3) == {new}
        assert tcp.request("GET", "/").text == f"[] {new}"
        master = new
    end(master)
    wait_for_nothing(server)
    assert "in use" not in server.log
    assert os.path.exists(passed[0].getsockname()), "the path is the manager's"


@LINUX
def test_address_without_a_path_of_its_own(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "asking.py").write_text(APP)
    bind = (f"unix:@corn-upgrade-test-{os.getpid()}", "127.0.0.1:0")
    server = serve("--reuse-port", "asking:app", bind=bind, cwd=tmp_path)
    abstract, tcp = server.addresses
    (first,) = wait_for(lambda: listening(tcp.port), "the first worker to listen")
    new = upgrade(server)
    assert server.addresses == [abstract, tcp]
    assert len(listening(tcp.port)) == 2 and first in listening(tcp.port)
    end(server.pid)
    wait_for(lambda: first not in listening(tcp.port), "the first worker's socket to go")
    assert len(listening(tcp.port)) == 1
    assert masters(tcp, times=3) == masters(abstract, times=3) == {new}
    end(new)
    wait_for_nothing(server)
    assert "[WARNING]" not in server.log
