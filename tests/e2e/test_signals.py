"""Signals to the master: stopping, the number of workers, workers that end by themselves."""

from __future__ import annotations

import os
from signal import SIGKILL, SIGTTIN, SIGTTOU

from corn_testkit.client import parse, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_ttin_and_ttou_change_the_number_of_workers(serve: Serve) -> None:
    server = serve("probe:app")
    (oldest,) = server.wait_for_workers(1)
    server.signal(SIGTTIN)
    server.wait_for_workers(2)
    server.signal(SIGTTIN)
    assert oldest in server.wait_for_workers(3)
    server.signal(SIGTTOU)
    assert oldest not in server.wait_for_workers(2)
    server.signal(SIGTTOU)
    (last,) = server.wait_for_workers(1)
    server.signal(SIGTTOU)
    server.wait_for_log("Handling signal: ttou", count=3)
    assert server.get("/pid") == str(last)
    server.stop()


def test_ttou_lets_a_request_finish(serve: Serve, gate: Gate) -> None:
    server = serve("--workers=2", "probe:app")
    server.wait_for_workers(2)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGTTOU)
        server.wait_for_log("Handling signal: ttou")
        gate.open()
        assert parse(read_all(client)).status == 200
    server.wait_for_workers(1)
    assert server.get() == "hello"
    server.stop()


def test_killed_worker_is_replaced_and_reported(serve: Serve) -> None:
    server = serve("probe:app")
    killed = int(server.get("/pid"))
    os.kill(killed, SIGKILL)
    server.wait_for_log(rf"\(pid: ?{killed}\).*(SIGKILL|killed)")
    assert int(server.get("/pid")) != killed
    server.stop()


def test_worker_that_exits_is_replaced(serve: Serve) -> None:
    server = serve("probe:app")
    left = int(server.get("/pid"))
    with server.address.connect() as client:
        client.sendall(b"GET /leave HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1) == b""
    server.wait_for_log(rf"{left}.*\b7\b")
    assert int(server.get("/pid")) != left
    server.stop()
