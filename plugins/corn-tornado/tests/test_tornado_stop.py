"""Stopping a worker with a Tornado application: requests in flight, websockets, and replacement."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from signal import SIGQUIT, SIGTERM
from typing import Any
from urllib.parse import unquote

from tornado.websocket import WebSocketClientConnection, websocket_connect

from corn_testkit.client import TIMEOUT, parse, read_all
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

Native = Callable[..., Server]
Talk = Callable[[WebSocketClientConnection], Coroutine[Any, Any, Any]]


async def soon(awaitable: Awaitable[Any]) -> Any:
    """Return the result, or raise TimeoutError."""
    return await asyncio.wait_for(awaitable, TIMEOUT)


def talk(server: Server, what: Talk) -> Any:
    """Connect a websocket, and return what comes of the talk on it."""

    async def connected() -> Any:
        url = f"{server.address.url}/socket".replace("http", "ws", 1)
        client = await soon(websocket_connect(url))
        try:
            return await what(client)
        finally:
            client.close()

    return asyncio.run(connected())


def test_websocket_echoes_and_has_one_access_line(native: Native) -> None:
    server = native("--access-logfile=-")

    async def echo(client: WebSocketClientConnection) -> list[Any]:
        replies = []
        for message in ("one", b"two"):
            await client.write_message(message, binary=isinstance(message, bytes))
            replies.append(await soon(client.read_message()))
        # It lasts, and so its line is still to come.
        assert "/socket" not in server.output
        client.close()
        assert await soon(client.read_message()) is None
        return replies

    assert talk(server, echo) == ["one", b"two"]
    wait_for(lambda: '"GET /socket HTTP/1.1" 101 ' in server.output, "the access line")


def test_websocket_is_closed_when_the_server_stops(native: Native) -> None:
    server = native("--access-logfile=-")

    async def stop(client: WebSocketClientConnection) -> int | None:
        await client.write_message("hello")
        assert await soon(client.read_message()) == "hello"
        server.signal(SIGTERM)
        assert await soon(client.read_message()) is None
        return client.close_code

    assert talk(server, stop) == 1001
    server.wait()
    assert '"GET /socket HTTP/1.1" 101 ' in server.output


def test_websocket_outlives_a_request_in_flight(native: Native, gate: Gate) -> None:
    server = native()

    async def stop(client: WebSocketClientConnection) -> int | None:
        with server.address.connect() as slow:
            slow.sendall(gate.request)
            await asyncio.to_thread(gate.entered)
            server.signal(SIGTERM)
            await asyncio.to_thread(server.wait_for_log, "Handling signal: term")
            await client.write_message("still there")
            assert await soon(client.read_message()) == "still there"
            gate.open()
            reply = parse(await asyncio.to_thread(read_all, slow))
        assert reply.status == 200
        assert await soon(client.read_message()) is None
        return client.close_code

    assert talk(server, stop) == 1001
    server.wait()


def test_websocket_whose_client_is_silent_does_not_hold_up_a_stop(native: Native) -> None:
    server = native("--graceful-timeout=30")
    with server.address.connect() as client:
        fields = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        client.sendall(f"GET /socket HTTP/1.1\r\nHost: x\r\n{fields}{key}\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
        server.stop()
        # A close frame with 1001, and then the end: RFC 6455 section 5.5.1.
        assert read_all(client).startswith(b"\x88\x18\x03\xe9")


def test_websocket_is_closed_before_the_patience_of_the_master_ends(
    native: Native, gate: Gate
) -> None:
    server = native("--graceful-timeout=6")

    async def stop(client: WebSocketClientConnection) -> int | None:
        with server.address.connect() as slow:
            slow.sendall(gate.request)
            await asyncio.to_thread(gate.entered)
            server.signal(SIGTERM)
            assert await soon(client.read_message()) is None
            # The request is in flight still.
            gate.open()
            assert parse(await asyncio.to_thread(read_all, slow)).status == 200
        return client.close_code

    assert talk(server, stop) == 1001
    server.wait()


def test_request_in_flight_survives_term(native: Native, gate: Gate) -> None:
    server = native("--keep-alive=30")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGTERM)
        server.wait_for_log("Handling signal: term")
        gate.open()
        reply = parse(read_all(client))
    assert reply.status == 200
    assert reply.text.startswith("waited in ")
    server.wait()


def test_idle_connection_does_not_hold_up_a_stop(native: Native) -> None:
    server = native("--keep-alive=600")
    with server.address.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1000)
        server.stop()


def test_quit_is_quick_and_quiet(native: Native, gate: Gate) -> None:
    server = native("--access-logfile=-")

    async def stop(client: WebSocketClientConnection) -> None:
        with server.address.connect() as slow:
            slow.sendall(gate.request)
            await asyncio.to_thread(gate.entered)
            server.signal(SIGQUIT)
            assert await soon(client.read_message()) is None
            gate.open()

    talk(server, stop)
    server.wait()
    assert "[ERROR]" not in server.log
    assert '"GET /socket HTTP/1.1" 101 ' in server.output
    assert '/gate HTTP/1.1" 499 ' in unquote(server.output)


def test_worker_is_replaced_after_max_requests(native: Native) -> None:
    server = native("--max-requests=3", "--keep-alive=30")
    first = server.get("/pid")
    server.request(path="/missing")
    server.get()
    server.wait_for_log("Autorestarting worker after current request")
    wait_for(lambda: server.workers() and int(first) not in server.workers(), "another worker")
    assert server.get("/pid") != first


def test_blocked_loop_is_noticed(native: Native) -> None:
    server = native("--timeout=1", "--access-logfile=-")
    server.tracebacks_expected = True
    with server.address.connect() as client:
        client.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_log(r"\[CRITICAL\] WORKER TIMEOUT")
        assert client.recv(100) == b""
    assert server.get() == "hello"


def test_handler_that_waits_is_not_taken_for_a_blocked_loop(native: Native, gate: Gate) -> None:
    server = native("--timeout=1")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        # Other requests go on meanwhile, and the worker lives longer than its timeout.
        wait_for(lambda: server.get() and _age(server.workers()[0]) > 3.0, "three seconds")
        gate.open()
        assert parse(client.recv(1000)).status == 200
    assert not re.search("WORKER TIMEOUT", server.log)


def _age(pid: int) -> float:
    """Seconds since a process began (proc(5), field 22 of stat)."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    up = float(Path("/proc/uptime").read_text().split()[0])
    return up - ticks / os.sysconf("SC_CLK_TCK")
