"""Holds what the kit's ASGI applications share: types, gates, and events for tests to hear of."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
View = Callable[[Scope, Receive, Send], Awaitable[None]]
Fields = Iterable[tuple[bytes, bytes]]

events: list[str] = []
"""What has happened since a test last asked for it."""

flooded = [0]
"""How many octets the last flood had."""

_gates: dict[bytes, asyncio.Event] = {}


def gate(scope: Scope) -> asyncio.Event:
    """Return the gate that the query names; a request for ``/go`` with this query opens it."""
    name: bytes = scope["query_string"]
    return _gates.setdefault(name, asyncio.Event())


def argument(scope: Scope) -> str:
    """Return the query."""
    query: bytes = scope["query_string"]
    return query.decode()


def say(*words: object) -> None:
    """Write a line to standard error."""
    print(*words, file=sys.stderr, flush=True)


async def start(send: Send, status: int = 200, headers: Fields = (), **more: Any) -> None:
    """Begin a response."""
    await send({"type": "http.response.start", "status": status, "headers": headers, **more})


async def part(send: Send, body: bytes, more: bool = True) -> None:
    """Send a part of a body."""
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def answer(send: Send, body: Any = b"", status: int = 200, headers: Any = ()) -> None:
    """Send a whole response."""
    await start(send, status, headers)
    await send({"type": "http.response.body", "body": body})


async def read(receive: Receive) -> bytes | None:
    """Return the whole body; None, and an event, if the client has left within it."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            events.append("disconnect in the body")
            return None
        piece: bytes = message["body"]
        body += piece
        if not message["more_body"]:
            return body
