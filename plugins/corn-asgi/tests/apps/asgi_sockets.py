"""WebSocket applications, by the path of the handshake."""

import asyncio
import json
import sys

EVENTS = []
GATES = {}


def gate(name):
    return GATES.setdefault(name, asyncio.Event())


def say(*words):
    print(*words, file=sys.stderr, flush=True)


async def accepted(receive, send, **more):
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept", **more})


async def echo(scope, receive, send, **more):
    await accepted(receive, send, **more)
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            EVENTS.append(f"{message['code']} {message['reason']}")
            return
        answer = {key: message[key] for key in ("text", "bytes") if key in message}
        await send({"type": "websocket.send", **answer})


async def subprotocol(scope, receive, send):
    chosen = scope["query_string"].decode() or scope["subprotocols"][-1]
    headers = [(b"x-mine", b"1"), (b"sec-websocket-accept", b"forged")]
    await echo(scope, receive, send, subprotocol=chosen, headers=headers)


async def scope_(scope, receive, send):
    await accepted(receive, send)
    await send({"type": "websocket.send", "text": repr(scope)})


async def returns(scope, receive, send):
    await accepted(receive, send)


async def raises(scope, receive, send):
    await accepted(receive, send)
    raise ValueError("the socket's application fails")


async def leaves(scope, receive, send):
    await accepted(receive, send)
    raise SystemExit


async def closes(scope, receive, send):
    await accepted(receive, send)
    code, _, reason = scope["query_string"].decode().partition("&")
    await send({"type": "websocket.close", "code": int(code), "reason": reason * 60 or None})
    EVENTS.append(repr(await receive()))


async def bad(scope, receive, send):
    await accepted(receive, send)
    await send({"type": "websocket.send", **eval(scope["query_string"].decode().replace("+", " "))})


async def gone(scope, receive, send):
    await accepted(receive, send)
    EVENTS.append(str((await receive())["code"]))
    try:
        await send({"type": "websocket.send", "text": "x"})
    except OSError as error:
        EVENTS.append(type(error).__name__)
        raise


async def busy(scope, receive, send):
    """Receive nothing before the gate opens."""
    await accepted(receive, send)
    EVENTS.append("busy")
    await gate(scope["query_string"]).wait()
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["text"]))})


async def flood(scope, receive, send):
    await accepted(receive, send)
    EVENTS.append("floods")
    sent = 0
    try:
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 65536})
            sent += 65536
            GATES["flooded"] = sent
    except OSError:
        EVENTS.append("flood ends")


async def refuses(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


async def ignores(scope, receive, send):
    await receive()


async def fails(scope, receive, send):
    raise ValueError("the handshake fails")


async def denies(scope, receive, send):
    await receive()
    start = {"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-a", b"b")]}
    await send(start)
    for part in (b"not ", b"you"):
        await send({"type": "websocket.http.response.body", "body": part, "more_body": True})
    await send({"type": "websocket.http.response.body"})


async def late(scope, receive, send):
    await receive()
    EVENTS.append("late")
    await gate(scope["query_string"]).wait()
    await send({"type": "websocket.accept"})
    message = await receive()
    await send({"type": "websocket.send", "text": message["text"]})


async def stays(scope, receive, send):
    """Tell when the socket is closed, and take a moment for it."""
    await accepted(receive, send)
    say("socket opens")
    message = await receive()
    await asyncio.sleep(0.1)
    say("socket ends with", message["code"])


async def http(scope, receive, send):
    if scope["path"] == "/go":
        gate(scope["query_string"]).set()
    body = str(GATES.get("flooded", 0)) if scope["path"] == "/flooded" else json.dumps(EVENTS)
    if scope["path"] == "/events":
        EVENTS.clear()
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body.encode()})


async def lifespan(receive, send):
    for name in ("startup", "shutdown"):
        await receive()
        say(f"lifespan.{name}")
        await send({"type": f"lifespan.{name}.complete"})


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    elif scope["type"] == "http":
        await http(scope, receive, send)
    else:
        name = scope["path"].strip("/")
        await globals()[name + "_" * (name == "scope")](scope, receive, send)
