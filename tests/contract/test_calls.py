"""The way of a request through corn is short: its functions are counted, in a real worker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGSTOP

import pytest

from corn_testkit.client import get, post, read_reply
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server

APPS = Path(__file__).with_name("apps")

REQUESTS = 12

MOST = 40
"""Calls of corn's own functions from one call of the application to the next."""


PATHS = ["/begin"] + ["/"] * REQUESTS


def on_one_connection(server: Server, make: Callable[[str], bytes] = get) -> str:
    """Send the requests one after another; returns the last answer."""
    with server.address.connect() as client:
        for path in PATHS:
            client.sendall(make(path))
            answer = read_reply(client).text
    return answer


def with_bodies(server: Server) -> str:
    """Send requests with bodies one after another; returns the last answer."""
    return on_one_connection(server, lambda path: post(path, b"x" * 10_000))


def on_connections_of_their_own(server: Server) -> str:
    """Send the requests while the worker is stopped; returns the last answer.

    So all of them wait in the backlog, as they do for a worker that is busy.
    """
    (worker,) = server.wait_for_workers(1)
    os.kill(worker, SIGSTOP)
    with ExitStack() as connections:
        clients = [connections.enter_context(server.address.connect()) for _ in PATHS]
        for client, path in zip(clients, PATHS, strict=True):
            client.sendall(get(path))
        os.kill(worker, SIGCONT)
        return [read_reply(client).text for client in clients][-1]


@pytest.mark.parametrize(
    ("arguments", "ask"),
    [
        (["-k", "sync"], on_connections_of_their_own),
        (["-k", "gthread", "--threads=2"], on_one_connection),
        (["-k", "gevent"], on_one_connection),
        (["-k", "gthread", "--threads=2"], with_bodies),
    ],
    ids=["sync", "gthread", "gevent", "gthread, bodies"],
)
def test_calls_for_a_request(
    serve: Serve, arguments: Sequence[str], ask: Callable[[Server], str]
) -> None:
    server = serve("counting:app", *arguments, cwd=APPS)
    counts = json.loads(ask(server))
    # A heartbeat may come between two requests; what is called for each request is in all of them.
    assert 20 < min(counts) <= MOST, counts
