"""reuse_port: each worker listens on a socket of its own."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from signal import SIGHUP, SIGKILL

import pytest

from corn_testkit.client import parse, read_all
from corn_testkit.descriptors import open_files
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.waiting import alive, listening, wait_for

pytestmark = [
    pytest.mark.skipif(not hasattr(socket, "SO_REUSEPORT"), reason="not on this system"),
    pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="Linux only"),
]


def inodes(pid: int) -> set[str]:
    """List the inodes of a process's sockets."""
    return set(re.findall(r"socket:\[(\d+)\]", " ".join(open_files(pid).values())))


def pids(server: Server, requests: int = 40) -> set[int]:
    return {int(server.get("/pid")) for _ in range(requests)}


def own_sockets(server: Server, workers: list[int]) -> bool:
    """Tell whether each of the workers listens on one socket, which no other process has."""
    sockets = listening(server.address.port)
    held = [inodes(pid) & sockets for pid in (server.pid, *workers)]
    return [len(each) for each in held] == [0] + [1] * len(workers) and len(sockets) == len(workers)


def test_each_worker_has_a_socket_of_its_own(serve: Serve) -> None:
    server = serve("--reuse-port", "--workers=2", "probe:app")
    workers = server.wait_for_workers(2)
    wait_for(lambda: own_sockets(server, workers), "two sockets")
    wait_for(lambda: pids(server) == set(workers), "both workers to be given connections")
    server.stop()
    assert not listening(server.address.port)


def test_without_it_one_socket_is_shared(serve: Serve) -> None:
    server = serve("--workers=2", "probe:app")
    server.wait_for_workers(2)
    assert len(listening(server.address.port)) == 1
    server.stop()


def test_nobody_is_sent_to_a_worker_that_boots(serve: Serve, gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        f"with open({str(tmp_path / 'gate')!r}) as gate:\n"
        "    gate.read()\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n"
    )
    server = serve("--reuse-port", "slow:app", cwd=tmp_path)
    gate.entered()
    assert not listening(server.address.port)
    with pytest.raises(ConnectionRefusedError):
        server.address.connect()
    gate.open()
    wait_for(lambda: listening(server.address.port), "the worker to listen")
    assert server.get() == "hello"
    server.stop()


def test_reload_rolls_without_a_gap(serve: Serve, tmp_path: Path) -> None:
    server = serve("--reuse-port", "--workers=2", "probe:app")
    old = server.wait_for_workers(2)
    wait_for(lambda: own_sockets(server, old), "the first workers to listen")
    server.signal(SIGHUP)
    while any(map(alive, old)):
        assert len(listening(server.address.port)) >= 1
        assert server.get() == "hello"
    new = server.wait_for_workers(2)
    wait_for(lambda: own_sockets(server, new), "the new workers to listen")
    assert not set(new) & set(old)
    server.stop()


def test_worker_that_goes_answers_those_who_wait_for_it(serve: Serve, gate: Gate) -> None:
    server = serve("--reuse-port", "probe:app")
    (old,) = server.wait_for_workers(1)
    wait_for(lambda: own_sockets(server, [old]), "the worker to listen")
    with server.address.connect() as held:
        held.sendall(gate.request)
        gate.entered()
        # The kernel puts them into the only queue there is.
        waiting = [server.address.connect() for _ in range(5)]
        for client in waiting:
            client.sendall(b"GET /pid HTTP/1.0\r\n\r\n")
        server.signal(SIGHUP)
        wait_for(lambda: len(listening(server.address.port)) == 2, "the new worker to listen")
        gate.open()
        for client in waiting:
            with client:
                assert parse(read_all(client)).text == str(old)
    wait_for(lambda: not alive(old), "the old worker to end")
    server.stop()


def test_dead_worker_is_replaced_at_the_same_address(serve: Serve) -> None:
    server = serve("--reuse-port", "probe:app")
    (first,) = server.wait_for_workers(1)
    wait_for(lambda: own_sockets(server, [first]), "the worker to listen")
    os.kill(first, SIGKILL)
    wait_for(lambda: not alive(first), "the worker to die")
    (second,) = server.wait_for_workers(1)
    wait_for(lambda: own_sockets(server, [second]), "its successor to listen")
    assert server.get("/pid") == str(second)
    server.stop()


def test_unix_sockets_are_shared_as_ever(serve: Serve, tmp_path: Path) -> None:
    bind = (f"unix:{tmp_path}/a.sock", "127.0.0.1:0")
    server = serve("--reuse-port", "--workers=2", "probe:app", bind=bind)
    unix, tcp = server.addresses
    wait_for(lambda: len(listening(tcp.port)) == 2, "two sockets")
    lines = Path("/proc/net/unix").read_text().splitlines()
    assert len([line for line in lines if line.endswith("a.sock") and f"{tmp_path}" in line]) == 1
    assert unix.request("GET", "/").text == tcp.request("GET", "/").text == "hello"
    server.stop()


def test_reload_changes_it_for_new_addresses_only(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "corn.conf.py"
    (tmp_path / "hello.py").write_text(
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n"
    )
    config.write_text("bind = ['127.0.0.1:0']\nwsgi_app = 'hello:app'\nworkers = 2\n")
    server = serve(bind=(), cwd=tmp_path)
    old = server.wait_for_workers(2)
    url = server.address.url
    config.write_text(config.read_text() + "bind.append('[::1]:0')\nreuse_port = True\n")
    server.signal(SIGHUP)
    server.wait_for_log(rf"reuse_port changes for {re.escape(url)} at the next start only")
    wait_for(lambda: not any(map(alive, old)), "the old workers to end")
    assert len(listening(server.address.port)) == 1
    for address in server.addresses:
        assert address.request("GET", "/").text == "hello"
    server.stop()
