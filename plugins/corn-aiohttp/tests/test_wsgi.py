"""WSGI applications under the aiohttp worker: in threads."""

from __future__ import annotations

import json

from corn_testkit.client import read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate

WSGI = ("-k", "aiohttp", "probe:app")


def test_it_is_told_of_threads(serve: Serve) -> None:
    server = serve(*WSGI)
    assert json.loads(server.get("/facts"))["wsgi"]["wsgi.multithread"] is True
    server.stop()


def test_without_threads_set_a_waiting_request_holds_up_no_other(serve: Serve, gate: Gate) -> None:
    server = serve(*WSGI)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        assert server.get() == "hello"
        gate.open()
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        received = read_all(client)
    assert b"waited in" in received
    assert received.endswith(b"hello")
    server.stop()


def test_one_thread_means_one_request_at_a_time(serve: Serve, gate: Gate) -> None:
    server = serve("--threads=1", *WSGI)
    with server.address.connect() as waiting, server.address.connect() as next_one:
        waiting.sendall(gate.request)
        gate.entered()
        next_one.sendall(b"GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        next_one.settimeout(0.5)
        try:
            assert not next_one.recv(1)
        except TimeoutError:
            pass  # as it should be
        next_one.settimeout(15)
        gate.open()
        assert read_all(next_one).startswith(b"HTTP/1.1 200 OK\r\n")
    server.stop()


def test_a_request_may_take_longer_than_the_timeout(serve: Serve, gate: Gate) -> None:
    server = serve("--timeout=1", *WSGI)
    (worker,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        # Two connections that are given up after a second each: time passes.
        for _ in range(2):
            with server.address.connect() as idle:
                idle.settimeout(1.2)
                try:
                    idle.recv(1)
                except TimeoutError:
                    pass
        gate.open()
        assert b"waited in %d" % worker in client.recv(65536)
    server.stop()
