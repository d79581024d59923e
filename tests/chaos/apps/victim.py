"""The application of the servers that things happen to: the same for WSGI and for ASGI."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from hashlib import sha256
from typing import Any

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MEBIBYTE = 1024 * 1024
PIECE = b"x" * 16384


def hoard(mebibytes: int) -> str:
    """Need much memory for a moment, all of which is written to."""
    return f"hoarded {len(b'x' * (mebibytes * MEBIBYTE)) >> 20}"


# -- WSGI ---------------------------------------------------------------------------


def app(environ: Message, start_response: Any) -> Iterable[bytes]:
    """Answer what the path asks for; ``/large`` is as many pieces as the query says."""
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/large":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (PIECE for _ in range(int(query)))
    if path == "/digest":
        body = _digest(iter(lambda: environ["wsgi.input"].read(65536), b""))
    elif path == "/hoard":
        body = hoard(int(query))
    elif path == "/linger":
        time.sleep(float(query))
        body = "lingered"
    else:
        sent = environ["wsgi.input"].read().decode("latin-1")
        body = f"{environ['REQUEST_METHOD']} {path} {query} {sent}".rstrip()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body.encode()]


def _digest(pieces: Iterator[bytes]) -> str:
    known, size = sha256(), 0
    for piece in pieces:
        known.update(piece)
        size += len(piece)
    return f"{size} {known.hexdigest()}"


# -- ASGI ---------------------------------------------------------------------------


async def asgi(scope: Message, receive: Receive, send: Send) -> None:
    """Answer as :func:`app` does, and echo what comes by WebSocket."""
    if scope["type"] == "websocket":
        await _echo(receive, send)
    elif scope["type"] == "http":
        await _answer(scope, receive, send)
    else:
        raise NotImplementedError(scope["type"])


async def _answer(scope: Message, receive: Receive, send: Send) -> None:
    path, query = scope["path"], scope["query_string"].decode()
    if path == "/large":
        await send({"type": "http.response.start", "status": 200})
        for _ in range(int(query)):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        await send({"type": "http.response.body"})
        return
    known, size, sent = sha256(), 0, b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        known.update(message["body"])
        size += len(message["body"])
        if path != "/digest":
            sent += message["body"]
        if not message["more_body"]:
            break
    if path == "/digest":
        text = f"{size} {known.hexdigest()}"
    elif path == "/hoard":
        text = hoard(int(query))
    elif path == "/linger":
        await asyncio.sleep(float(query))
        text = "lingered"
    else:
        text = f"{scope['method']} {path} {query} {sent.decode('latin-1')}".rstrip()
    length = (b"content-length", b"%d" % len(text))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": text.encode()})


async def _echo(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
