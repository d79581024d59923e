"""Serve the application of each scenario of ``asgi_peers.py``, by its path."""

from __future__ import annotations

from typing import Any

from asgi import app as hello
from fastapi import FastAPI

fast = FastAPI()


@fast.get("/json")
async def item(number: int = 7) -> dict[str, Any]:
    """Answer with what FastAPI has checked and encoded."""
    return {"number": number, "name": "lamp", "tags": ["brass", "small"], "price": 12.5}


async def form(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Read the whole body first."""
    while (await receive()).get("more_body"):
        pass
    await hello(scope, receive, send)


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


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    path = scope.get("path")
    if path == "/":
        await hello(scope, receive, send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    elif path == "/form":
        await form(scope, receive, send)
    else:
        await fast(scope, receive, send)
