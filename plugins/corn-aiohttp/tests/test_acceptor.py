"""The connections that a worker counts while it gives them to aiohttp's server."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any, cast

from aiohttp import web

from corn_aiohttp.acceptor import Acceptor
from corn_core.process.scoreboard import Scoreboard

CLIENTS = 20


async def never(request: web.BaseRequest) -> web.StreamResponse:
    raise AssertionError("no client sends a request")


async def counts_while_accepting(sock: socket.socket) -> list[int]:
    """Accept all who have connected, and return how many were counted in each round of the loop."""
    loop = asyncio.get_running_loop()
    board = Scoreboard(1)
    worker: Any = SimpleNamespace(
        cfg=SimpleNamespace(worker_connections=1000, header_timeout=30.0),
        log=logging.getLogger(__name__),
        slot=board.slot(board.allocate()),
        ssl_context=None,
    )
    listener: Any = SimpleNamespace(socket=sock, fileno=sock.fileno)
    server = web.Server(never)
    acceptor = Acceptor(worker, listener, cast(Any, server), loop)
    acceptor.resume()
    counts: list[int] = []
    while len(server.connections) < CLIENTS or acceptor.busy:
        await asyncio.sleep(0)
        counts.append(len(server.connections) + acceptor.greeted)
    acceptor.stop()
    await server.shutdown(0.1)
    return counts


def test_a_connection_is_counted_once() -> None:
    with ExitStack() as stack:
        sock = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=CLIENTS))
        sock.setblocking(False)
        for _ in range(CLIENTS):
            stack.enter_context(socket.create_connection(sock.getsockname()))
        counts = asyncio.run(counts_while_accepting(sock))
    assert max(counts) == counts[-1] == CLIENTS
