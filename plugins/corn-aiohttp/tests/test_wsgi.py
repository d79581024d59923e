"""WSGI applications under the aiohttp worker: in threads."""

from __future__ import annotations

from corn_testkit.client import read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate

WSGI = ("-k", "aiohttp", "probe:app")


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
