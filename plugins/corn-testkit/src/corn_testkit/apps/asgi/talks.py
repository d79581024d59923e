"""WebSocket applications, by the path of the handshake."""

from __future__ import annotations

import ast
import asyncio
from typing import Any
from urllib.parse import unquote

from corn_testkit.apps.asgi.common import (
    Receive,
    Scope,
    Send,
    View,
    argument,
    events,
    flooded,
    gate,
    say,
)

VIEWS: dict[str, View] = {}


def view(function: View) -> View:
    """Serve a function under its name."""
    VIEWS["/" + function.__name__.strip("_")] = function
    return function


async def accepted(receive: Receive, send: Send, **more: Any) -> None:
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})


async def echo_after(accept: dict[str, Any], receive: Receive, send: Send) -> None:
    """Accept, and send back whatever comes."""
    await accepted(receive, send, **accept)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            events.append(f"{message['code']} {message['reason']}")
            return
        answer = {key: message[key] for key in ("text", "bytes") if key in message}
        await send({"type": "websocket.send", **answer})


@view
async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await echo_after({}, receive, send)


@view
async def subprotocol(scope: Scope, receive: Receive, send: Send) -> None:
    chosen = argument(scope) or scope["subprotocols"][-1]
    headers = [(b"x-mine", b"1"), (b"sec-websocket-accept", b"forged")]
    await echo_after({"subprotocol": chosen, "headers": headers}, receive, send)


@view
async def scope_(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)
    await send({"type": "websocket.send", "text": repr(dict(scope))})


@view
async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)


@view
async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)
    raise ValueError("the socket's application fails")


@view
async def leaves(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)
    raise SystemExit


@view
async def closes(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)
    code, _, reason = argument(scope).partition("&")
    await send({"type": "websocket.close", "code": int(code), "reason": reason * 60 or None})
    events.append(repr(await receive()))


@view
async def bad(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)
    wrong = ast.literal_eval(unquote(argument(scope)))
    await send({"type": "websocket.send", **wrong})


@view
async def gone(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)
    events.append(str((await receive())["code"]))
    try:
        await send({"type": "websocket.send", "text": "x"})
    except OSError:
        events.append("send raises OSError")
        raise


@view
async def busy(scope: Scope, receive: Receive, send: Send) -> None:
    """Receive nothing before the gate opens."""
    await accepted(receive, send)
    events.append("busy")
    await gate(scope).wait()
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["text"]))})


@view
async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    await accepted(receive, send)
    events.append("floods")
    sent = 0
    try:
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 65536})
            sent += 65536
            flooded[0] = sent
    except OSError:
        events.append("flood ends")


@view
async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})


@view
async def ignores(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


@view
async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("the handshake fails")


@view
async def denies(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    start = {"type": "websocket.http.response.start", "status": 401}
    await send({**start, "headers": [(b"x-a", b"b")]})
    for part in (b"not ", b"you"):
        await send({"type": "websocket.http.response.body", "body": part, "more_body": True})
    await send({"type": "websocket.http.response.body"})


@view
async def late(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    events.append("late")
    await gate(scope).wait()
    await send({"type": "websocket.accept"})
    message = await receive()
    await send({"type": "websocket.send", "text": message["text"]})


@view
async def stays(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell when the socket is closed, and take a moment for it."""
    await accepted(receive, send)
    say("socket opens")
    message = await receive()
    await asyncio.sleep(0.1)
    say("socket ends with", message["code"])
