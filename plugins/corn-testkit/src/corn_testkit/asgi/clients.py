"""Clients of ``exchange:app`` that do not behave."""

from __future__ import annotations

import ast
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from corn_testkit.asgi.told import Told
from corn_testkit.candidate import Subject
from corn_testkit.client import parse
from corn_testkit.waiting import wait_for

PATIENCE = 0.5
"""Seconds in which nothing arrives, when nothing is to arrive."""


@contextmanager
def held(subject: Subject, told: Told, request: bytes, event: str) -> Iterator[socket.socket]:
    """Give a client whose request is in the application, which has told so."""
    with subject.address.connect() as client:
        client.sendall(request)
        told.wait(event)
        yield client


def reset(client: socket.socket) -> None:
    """Close with a reset, instead of an orderly end."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def says_nothing(client: socket.socket) -> bool:
    """Tell whether the server neither sends anything for a moment, nor closes."""
    patience = client.gettimeout()
    client.settimeout(PATIENCE)
    try:
        client.recv(1, socket.MSG_PEEK)
        return False
    except TimeoutError:
        return True
    finally:
        client.settimeout(patience)


def send_until_stopped(client: socket.socket, data: memoryview) -> int:
    """Send as much as the server takes; returns how much that was."""
    patience, sent = client.gettimeout(), 0
    client.settimeout(PATIENCE)
    try:
        while sent < len(data):
            sent += client.send(data[sent : sent + 65536])
    except TimeoutError:
        pass
    client.settimeout(patience)
    return sent


def stopped_flood(count: Callable[[], int]) -> int:
    """Wait until a count no longer rises, and return it."""
    seen = [-1]

    def stands_still() -> bool:
        seen.append(count())
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    wait_for(stands_still, "the application to be stopped by a client that does not read")
    return seen[-1]


def scope_in(data: bytes) -> dict[str, Any]:
    """Read the scope in the response of an application that answers with it."""
    scope: dict[str, Any] = ast.literal_eval(parse(data).text)
    return scope
