"""Signals to the master: stopping, the number of workers, workers that end by themselves."""

from __future__ import annotations

import os
from contextlib import ExitStack
from signal import SIGINT, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, Signals

import pytest

from corn_testkit.client import parse, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.waiting import alive, wait_for

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_term_finishes_the_request_in_flight(serve: Serve, gate: Gate) -> None:
    server = serve("probe:app")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGTERM)
        server.wait_for_log("Handling signal: term")
        gate.open()
        assert parse(read_all(client)).text.startswith("waited in ")
    server.wait(0)
    server.wait_for_log(r"Worker exiting \(pid: \d+\)")
    server.wait_for_log("Shutting down: Master")


def test_term_serves_what_the_backlog_holds(serve: Serve, gate: Gate) -> None:
    server = serve("probe:app")
    with ExitStack() as stack:
        first = stack.enter_context(server.address.connect())
        first.sendall(gate.request)
        gate.entered()
        # The only worker is inside the application: these wait in the backlog. They are more
        # than a worker accepts in one go, so that it learns of the signal before the last.
        others = [stack.enter_context(server.address.connect()) for _ in range(60)]
        for client in others:
            client.sendall(GET)
        server.signal(SIGTERM)
        server.wait_for_log("Handling signal: term")
        gate.open()
        assert parse(read_all(first)).status == 200
        assert [parse(read_all(client)).text for client in others] == ["hello"] * 60
    server.wait(0)


@pytest.mark.parametrize("number", [SIGINT, SIGQUIT])
def test_int_and_quit_do_not_wait(serve: Serve, gate: Gate, number: Signals) -> None:
    server = serve("--graceful-timeout=60", "probe:app")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(number)
        server.wait(0)
        assert client.recv(1) == b""


def test_graceful_timeout_ends_a_stuck_request(serve: Serve, gate: Gate) -> None:
    server = serve("--graceful-timeout=1", "--timeout=0", "probe:app")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGTERM)
        server.wait(0)


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


def test_term_to_a_worker_replaces_it(serve: Serve) -> None:
    server = serve("probe:app")
    (old,) = server.wait_for_workers(1)
    os.kill(old, SIGTERM)
    wait_for(lambda: not alive(old), "the worker to end")
    assert int(server.get("/pid")) != old
    server.stop()


def test_workers_end_when_the_master_was_killed(serve: Serve) -> None:
    server = serve("--workers=2", "probe:app")
    server.get()
    workers = server.wait_for_workers(2)
    server.signal(SIGKILL)
    server.process.wait()
    wait_for(lambda: not any(map(alive, workers)), "the orphans to end", deadline=5)
