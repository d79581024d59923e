"""An ASGI application that does what a test asks for, by the path; ``talks`` has its WebSockets."""

from __future__ import annotations

import asyncio
import contextvars
import json
import os
import sys
from typing import Any

from corn_testkit.apps.asgi import talks
from corn_testkit.apps.asgi.common import (
    Receive,
    Scope,
    Send,
    View,
    answer,
    argument,
    events,
    flooded,
    gate,
    part,
    read,
    say,
    start,
)

HERE = os.path.abspath(__file__)
VARIABLE = contextvars.ContextVar("variable", default="unset")
VIEWS: dict[str, View] = {}

kept: list[asyncio.Task[Any]] = []
"""Tasks, so that none is gone before its time, and no other gets its id."""


def view(function: View) -> View:
    """Serve a function under its name."""
    VIEWS["/" + function.__name__.strip("_").replace("_", "-")] = function
    return function


# -- for the test itself -------------------------------------------------------------------


@view
async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"hello")


@view
async def events_(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell what has happened since this was asked last."""
    told = json.dumps(events)
    events.clear()
    await answer(send, told.encode())


@view
async def go(scope: Scope, receive: Receive, send: Send) -> None:
    gate(scope).set()
    await answer(send, b"gone")


@view
async def flooded_(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"%d" % flooded[0])


# -- what is received ----------------------------------------------------------------------


@view
async def scope_(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell the scope, and change what can be changed in it."""
    told = repr(dict(scope)).encode()
    scope["headers"].append((b"x-of", b"another request"))
    scope["extensions"]["of another request"] = {}
    scope["asgi"]["version"] = "of another request"
    await answer(send, told)


@view
async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            events.append("disconnect in the echo")
            return
        more = message["more_body"]
        await part(send, message["body"], more)


@view
async def length(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read(receive)
    if body is not None:
        await answer(send, b"%d" % len(body))


@view
async def late(scope: Scope, receive: Receive, send: Send) -> None:
    """Take the body when the gate opens."""
    events.append("holds")
    await gate(scope).wait()
    await length(scope, receive, send)


@view
async def gone(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell of the client's disconnect, and then of what send does."""
    await read(receive)
    events.append("reads")
    events.append((await receive())["type"])
    await gate(scope).wait()
    try:
        await start(send)
        for _ in range(100):
            await part(send, b"x" * 65536)
            await asyncio.sleep(0)
    except OSError:
        events.append("send raises OSError")
        raise


@view
async def after(scope: Scope, receive: Receive, send: Send) -> None:
    """Tell what is received when the response is complete, also in a task that waited already."""
    await read(receive)
    pending = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    await answer(send, b"done")
    events.append((await pending)["type"])
    steps = receive().__await__()
    try:
        next(steps)
        events.append("receive waits")
    except StopIteration as told:
        events.append(told.value["type"])


# -- what is sent --------------------------------------------------------------------------


@view
async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    events.append("waits")
    await gate(scope).wait()
    try:
        await answer(send, b"waited")
    except OSError:
        events.append("send raises OSError")
        raise


@view
async def stream(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await part(send, b"first")
    await gate(scope).wait()
    await part(send, b"last", more=False)


@view
async def background(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"done")
    await gate(scope).wait()
    events.append("background")
    say("the background work has ended")


@view
async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    """Send for as long as the client takes it, and tell how much that was."""
    await start(send)
    flooded[0] = 0
    events.append("floods")
    try:
        while True:
            await part(send, b"x" * 65536)
            flooded[0] += 65536
    except OSError:
        events.append("flood ends")


@view
async def fields(scope: Scope, receive: Receive, send: Send) -> None:
    """Send fields that are repeated, in an order, from something that is iterated over once."""
    pairs = [(b"x-b", b"1"), (b"set-cookie", b"a=1"), (b"x-a", b"2"), (b"set-cookie", b"b=2")]
    await answer(send, b"fields", headers=iter(pairs))


@view
async def empty(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"octets", status=int(argument(scope)))


@view
async def file(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    await send({"type": "http.response.pathsend", "path": argument(scope) or HERE})


@view
async def zerocopy(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send)
    kind = "http.response.zerocopysend"
    with open(HERE, "rb") as source:
        await send({"type": kind, "file": source, "offset": 4, "count": 6, "more_body": True})
        await send({"type": kind, "file": source.fileno(), "count": 3, "more_body": True})
    await part(send, b"end", more=False)


@view
async def trailers(scope: Scope, receive: Receive, send: Send) -> None:
    await start(send, trailers=True)
    await part(send, b"body", more=False)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})


# -- mistakes ------------------------------------------------------------------------------


@view
async def none(scope: Scope, receive: Receive, send: Send) -> None:
    """Return without an answer."""


@view
async def half(scope: Scope, receive: Receive, send: Send) -> None:
    """Return in the middle."""
    await start(send)
    await part(send, b"half")


@view
async def crash(scope: Scope, receive: Receive, send: Send) -> None:
    raise ValueError("crashed early")


@view
async def crash_late(scope: Scope, receive: Receive, send: Send) -> None:
    await half(scope, receive, send)
    raise ValueError("crashed late")


@view
async def leave(scope: Scope, receive: Receive, send: Send) -> None:
    raise SystemExit("one request wants to leave")


@view
async def leave_in_a_task(scope: Scope, receive: Receive, send: Send) -> None:
    async def task() -> None:
        sys.exit("a task wants to leave")

    kept.append(asyncio.create_task(task()))
    await answer(send, b"started")


@view
async def cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    raise asyncio.CancelledError


@view
async def short(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"short", headers=[(b"content-length", b"10")])


@view
async def long(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"too long", headers=[(b"content-length", b"3")])


@view
async def framing(scope: Scope, receive: Receive, send: Send) -> None:
    await answer(send, b"hello", headers=[(b"transfer-encoding", b"gzip"), (b"x", b"y")])


MISTAKES: dict[str, list[Any]] = {
    "text": [{"body": "text"}],
    "no-bytes": [{"headers": [("a", "b")]}],
    "no-pairs": [{"headers": [b"ab"]}],
    "line-end": [{"headers": [(b"a", b"b\r\nset-cookie: c")]}],
    "line-end-in-name": [{"headers": [(b"a\r\nset-cookie", b"c")]}],
    "nul": [{"headers": [(b"a", b"\0")]}],
    "status": [{"status": 1000}],
    "interim": [{"status": 101}],
    "length": [{"headers": [(b"content-length", b"-5")]}],
    "two-lengths": [{"headers": [(b"content-length", b"1"), (b"content-length", b"1")]}],
    "type": [{"type": "http.response.nonsense"}],
    "no-type": [{"type": None}],
}
"""What is wrong in a response of two messages, of which each key is in one."""


@view
async def mistaken(scope: Scope, receive: Receive, send: Send) -> None:
    """Make the mistake that the query names."""
    (wrong,) = MISTAKES[argument(scope)]
    await send({"type": "http.response.start", "status": 200, **wrong})
    await send({"type": "http.response.body", "body": b"x", **wrong})


@view
async def disorder(scope: Scope, receive: Receive, send: Send) -> None:
    """Send messages in the wrong order, and go on in the right one."""
    refused = []
    messages: list[dict[str, Any]] = [
        {"type": "http.response.body", "body": b"too early"},
        {"type": "http.response.start", "status": 1000},
        {"type": "http.response.start", "status": 200},
        {"type": "http.response.start", "status": 201},
    ]
    for message in messages:
        try:
            await send(message)
        except Exception:
            # Broad, because the specification leaves the kind of exception to the server.
            refused.append(message.get("status", "body"))
    await part(send, repr(refused).encode(), more=False)
    try:
        await part(send, b"too late")
    except Exception:
        events.append("too late")


# -- asyncio -------------------------------------------------------------------------------


@view
async def asyncio_(scope: Scope, receive: Receive, send: Send) -> None:
    """Use what needs to know the task, and tell how that went."""
    task = asyncio.current_task()
    assert task is not None
    told: list[Any] = [VARIABLE.get(), task in asyncio.all_tasks()]
    VARIABLE.set("set")
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
    await receive()
    try:
        async with asyncio.timeout(0.01):
            await receive()
    except TimeoutError:
        told.append("timed out")
    told += [asyncio.current_task() is task, VARIABLE.get(), id(task)]
    kept.append(task)
    await answer(send, json.dumps(told).encode())


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        raise NotImplementedError("no lifespan here")
    views = VIEWS if scope["type"] == "http" else talks.VIEWS
    await views.get(scope["path"], scope_)(scope, receive, send)
