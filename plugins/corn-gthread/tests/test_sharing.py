"""Several gthread workers: who answers what.

None of these looks at a clock: what is to be answered at once is answered while something else is
held in the application, which ends only when the test says so.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from corn_testkit.client import parse
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server

WORKERS = 4
HELLO = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[list[Gate]]:
    """Eight gates; open ones after the test, so that no request waits at them for ever."""
    gates = [Gate(tmp_path, f"gate-{number}") for number in range(2 * WORKERS)]
    yield gates
    for gate in gates:
        gate.open()


def four(serve: Serve, *arguments: str) -> Server:
    server = serve("-kgthread", f"--workers={WORKERS}", *arguments, "probe:app")
    server.wait_for_log(r"Booting worker", count=WORKERS)
    server.wait_for_workers(WORKERS)
    return server


def ask(stack: ExitStack, server: Server, request: bytes) -> socket.socket:
    client = stack.enter_context(server.address.connect())
    client.sendall(request)
    return client


def answered(client: socket.socket) -> str:
    return parse(client.recv(65536)).text


def test_as_many_slow_requests_as_workers_run_side_by_side(serve: Serve, gates: list[Gate]) -> None:
    server = four(serve, "--threads=1")
    for held in (gates[:WORKERS], gates[WORKERS:]):
        with ExitStack() as stack:
            clients = [ask(stack, server, gate.request) for gate in held]
            for gate in held:
                # None of them has been let go yet.
                gate.entered()
            for gate in held:
                gate.open()
            assert len({answered(client) for client in clients}) == WORKERS
    server.stop()


def test_short_requests_do_not_wait_behind_long_ones(serve: Serve, gates: list[Gate]) -> None:
    server = four(serve, "--threads=1")
    with ExitStack() as stack:
        for gate in gates[: WORKERS - 1]:
            ask(stack, server, gate.request)
            gate.entered()
            for _ in range(40):
                # Each on a connection of its own.
                assert server.get("/") == "hello"
        for gate in gates:
            gate.open()
    server.stop()


def test_requests_on_kept_connections_find_idle_workers(serve: Serve, gates: list[Gate]) -> None:
    """Connections that were accepted one after another are spread over workers with one thread."""
    server = four(serve, "--threads=1")
    with ExitStack() as stack:
        clients = [ask(stack, server, HELLO) for _ in range(WORKERS)]
        assert {answered(client) for client in clients} == {"hello"}
        for client, gate in zip(clients, gates, strict=False):
            client.sendall(gate.request)
        for gate in gates[:WORKERS]:
            gate.entered()
        for gate in gates[:WORKERS]:
            gate.open()
        # Each says the process that it waited in.
        assert len({answered(client) for client in clients}) == WORKERS
    server.stop()


def test_who_comes_when_all_threads_are_taken_is_served_by_the_first_that_is_free(
    serve: Serve, gates: list[Gate]
) -> None:
    server = four(serve, "--threads=1")
    with ExitStack() as stack:
        for gate in gates[:WORKERS]:
            ask(stack, server, gate.request)
            gate.entered()
        late = [ask(stack, server, HELLO) for _ in range(3)]
        # Whichever of them it is: the other three stay where they are.
        gates[2].open()
        assert [answered(client) for client in late] == ["hello"] * 3
        for gate in gates:
            gate.open()
    server.stop()
