"""The asgi worker's own: each loop, recycling, metrics, and settings without effect."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from corn_testkit.asgi.frames import TEXT, FrameStream, close, frame, opened
from corn_testkit.client import get, parse, parse_all, read_all, receive_until
from corn_testkit.fixtures import Serve
from corn_testkit.server import ASGI_APPS
from corn_testkit.waiting import alive, wait_for

APPS = Path(__file__).with_name("apps")
CLOSE = "Connection: close"


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_loop(serve: Serve, loop: str) -> None:
    """A signal is obeyed also within a callback, where uvloop keeps exceptions to itself."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = serve("-k", "asgi", f"--asgi-loop={loop}", "asyncio_users:app", cwd=APPS)
    assert server.get("/loop") == loop
    (first,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(get("/anyio") + get("/anyio", CLOSE))
        told = [json.loads(reply.text) for reply in parse_all(read_all(client))]
    assert told == [["asyncio", True, True]] * 2
    with server.address.connect() as client:
        client.sendall(get("/quit-in-a-callback"))
        wait_for(lambda: not alive(first), "the worker to exit")
    wait_for(lambda: first not in server.workers() and server.workers(), "another worker")
    assert server.get("/loop") == loop
    server.stop()


def test_connections_beyond_worker_connections_wait(serve: Serve) -> None:
    server = serve(
        *("-k", "asgi", "--worker-connections=1", "--keep-alive=30", "exchange:app"),
        cwd=ASGI_APPS,
    )
    with server.address.connect() as first, server.address.connect() as second:
        first.sendall(get("/hello"))
        receive_until(first, b"hello")
        second.sendall(get("/hello", CLOSE))
        # The worker looks once a second whether there is room.
        second.settimeout(1.5)
        with pytest.raises(TimeoutError):
            second.recv(1)
        first.close()
        second.settimeout(60)
        assert parse(read_all(second)).text == "hello"
    server.stop()


def test_worker_of_age_is_replaced_and_its_sockets_told(serve: Serve) -> None:
    server = serve("-k", "asgi", "--max-worker-lifetime=1", "life:app", cwd=ASGI_APPS)
    (first,) = server.wait_for_workers(1)
    with opened(server.address, "/") as client:
        receive_until(client, b"\x03\xf4")  # 1012
        client.sendall(close(1012))
        assert read_all(client) == b""
    wait_for(lambda: not alive(first), "the old worker to end")
    assert server.get().split()[0] != str(first)
    server.wait_for_log(rf"Worker \(pid:{first}\) has served for \d+ seconds; it will be repl")
    server.stop()


def test_worker_that_grows_is_replaced(serve: Serve) -> None:
    server = serve(
        *("-k", "asgi", "--max-worker-memory=100M", "asyncio_users:app"),
        cwd=APPS,
    )
    (first,) = server.wait_for_workers(1)
    assert server.get("/grow") == str(first)
    server.wait_for_log(rf"Worker \(pid:{first}\) holds \d+ MiB of memory; it will be replaced")
    wait_for(lambda: not alive(first), "the large worker to end")
    assert server.get("/loop")
    server.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_statsd_and_prometheus_count_requests_and_sockets(serve: Serve) -> None:
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as statsd:
        statsd.bind(("127.0.0.1", 0))
        statsd.settimeout(60)
        server = serve(
            *("-k", "asgi", f"--metrics-bind=127.0.0.1:{port}"),
            *(f"--statsd-host=127.0.0.1:{statsd.getsockname()[1]}", "exchange:app"),
            cwd=ASGI_APPS,
        )
        server.wait_for_workers(1)
        for _ in range(3):
            server.get("/hello")
        server.request(path="/crash")
        server.tracebacks_expected = True
        with opened(server.address) as client:
            client.sendall(frame(TEXT, b"x"))
            assert FrameStream(client).take(1) == [(TEXT, b"x")]
            client.sendall(close(1000))
            read_all(client)
        packets = ""
        while packets.count(".requests:1|c") < 5:
            packets += statsd.recv(65536).decode() + "\n"
        counts = {status: packets.count(f".request.status.{status}:1|c") for status in STATUSES}
        assert counts == STATUSES

        def scraped() -> dict[str, int]:
            import urllib.request

            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as reply:
                text = reply.read().decode()
            found = re.findall(r'^corn_requests_total\{status="(\d+)"\} (\d+)', text, re.M)
            return {status: int(count) for status, count in found}

        wait_for(lambda: scraped() == STATUSES, "the metrics to count them")
    server.stop()


STATUSES = {"101": 1, "200": 3, "500": 1}


def test_settings_without_effect_are_named(serve: Serve) -> None:
    server = serve("-k", "asgi", "--threads=4", "exchange:app", cwd=ASGI_APPS)
    server.wait_for_log(r"\[WARNING\] threads has no effect on worker class asgi \(flag --threads")
    server.stop()
