"""The application of ``shapes.py`` for ASGI servers; on a WebSocket it is an echo."""

from __future__ import annotations

import asyncio
from typing import Any

from shapes import BLOCK, BLOCKS, HELLO, MEBIBYTE, WAITS

TEXT = (b"content-type", b"text/plain")


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await respond(scope, receive, send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    else:
        raise NotImplementedError("no lifespan: servers go on without")


async def respond(scope: dict[str, Any], receive: Any, send: Any) -> None:
    path = scope["path"]
    if path == "/streamed":
        await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
        for _ in range(BLOCKS):
            await send({"type": "http.response.body", "body": BLOCK, "more_body": True})
        await send({"type": "http.response.body"})
        return
    if scope["method"] == "POST":
        while (await receive()).get("more_body"):
            pass
    elif path in WAITS:
        await asyncio.sleep(WAITS[path])
    body = MEBIBYTE if path == "/mebibyte" else HELLO
    headers = [TEXT, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def echo(receive: Any, send: Any) -> None:
    """Send back what each message holds, until the socket is closed."""
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        data, text = message.get("bytes"), message.get("text")
        if data is not None:
            await send({"type": "websocket.send", "bytes": data})
        else:
            await send({"type": "websocket.send", "text": text})
