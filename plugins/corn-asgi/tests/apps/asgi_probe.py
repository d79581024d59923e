"""An ASGI application that does what a test asks for, by the path of the request."""

import asyncio
import contextvars
import json
import os
import signal
import socket
import sys
import time

HERE = os.path.abspath(__file__)
EVENTS = []
GATES = {}
VARIABLE = contextvars.ContextVar("variable", default="unset")


def gate(name):
    return GATES.setdefault(name, asyncio.Event())


async def answer(send, body=b"", status=200, headers=(), **more):
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await send({**start, **more})
    await send({"type": "http.response.body", "body": body})


async def part(send, body, more=True):
    await send({"type": "http.response.body", "body": body, "more_body": more})


async def read(receive):
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            EVENTS.append("disconnect in the body")
            return None
        body += message["body"]
        if not message["more_body"]:
            return body


async def hello(scope, receive, send):
    await answer(send, b"hello")


async def scope(scope, receive, send):
    await answer(send, repr(scope).encode())


async def events(scope, receive, send):
    told = EVENTS[:]
    EVENTS.clear()
    await answer(send, json.dumps(told).encode())


async def go(scope, receive, send):
    gate(scope["query_string"]).set()
    await answer(send, b"gone")


async def wait(scope, receive, send):
    EVENTS.append("waits")
    await gate(scope["query_string"]).wait()
    await answer(send, b"waited")


async def echo(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            EVENTS.append("disconnect in the echo")
            return
        more = message["more_body"]
        await part(send, message["body"], more)


async def length(scope, receive, send):
    body = await read(receive)
    if body is not None:
        await answer(send, str(len(body)).encode())


async def late(scope, receive, send):
    """Take the body when the gate opens."""
    EVENTS.append("holds")
    await gate(scope["query_string"]).wait()
    await length(scope, receive, send)


async def gone(scope, receive, send):
    """Tell of the client's disconnect, and then of what send does."""
    await read(receive)
    EVENTS.append("reads")
    EVENTS.append((await receive())["type"])
    await gate(scope["query_string"]).wait()
    try:
        for _ in range(100):
            await send({"type": "http.response.start", "status": 200})
            while True:
                await part(send, b"x" * 65536)
                await asyncio.sleep(0)
    except OSError as error:
        EVENTS.append(f"OSError {type(error).__name__}")
        raise


async def after(scope, receive, send):
    """Tell what is received when the response is complete, also in a task that waited already."""
    await read(receive)
    pending = asyncio.create_task(receive())
    await asyncio.sleep(0)
    await answer(send, b"done")
    EVENTS.append((await pending)["type"])
    coroutine = receive()
    try:
        coroutine.send(None)
        EVENTS.append("suspended")
    except StopIteration as told:
        EVENTS.append(told.value["type"])


async def background(scope, receive, send):
    await answer(send, b"done")
    await gate(scope["query_string"]).wait()
    EVENTS.append("background")
    print("background has ended", file=sys.stderr, flush=True)


async def stream(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await part(send, b"first")
    await gate(scope["query_string"]).wait()
    await part(send, b"last", more=False)


async def flood(scope, receive, send):
    """Send for as long as the client takes it, and tell how much that was."""
    await send({"type": "http.response.start", "status": 200})
    sent = 0
    EVENTS.append("floods")
    try:
        while True:
            await part(send, b"x" * 65536)
            sent += 65536
            GATES["flooded"] = sent
    except OSError:
        EVENTS.append("flood ends")


async def flooded(scope, receive, send):
    await answer(send, str(GATES.get("flooded", 0)).encode())


async def file(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    path = scope["query_string"].decode() or HERE
    await send({"type": "http.response.pathsend", "path": path})


async def zerocopy(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    kind = "http.response.zerocopysend"
    with open(HERE, "rb") as source:
        await send({"type": kind, "file": source, "offset": 4, "count": 6, "more_body": True})
        await send({"type": kind, "file": source.fileno(), "count": 3, "more_body": True})
    await part(send, b"end", more=False)


async def trailers(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "trailers": True})
    await part(send, b"body", more=False)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]})


async def hints(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await answer(send, b"hinted")


async def none(scope, receive, send):
    """Return without an answer."""


async def half(scope, receive, send):
    """Return in the middle."""
    await send({"type": "http.response.start", "status": 200})
    await part(send, b"half")


async def short(scope, receive, send):
    await answer(send, b"short", headers=[(b"content-length", b"10")])


async def long(scope, receive, send):
    await answer(send, b"too long", headers=[(b"content-length", b"3")])


async def crash(scope, receive, send):
    raise ValueError("crashed early")


async def crash_late(scope, receive, send):
    await half(scope, receive, send)
    raise ValueError("crashed late")


async def leave(scope, receive, send):
    raise SystemExit("one request wants to leave")


async def leave_in_a_task(scope, receive, send):
    async def task():
        sys.exit("a task wants to leave")

    GATES["task"] = asyncio.create_task(task())
    await answer(send, b"started")


async def cancelled(scope, receive, send):
    raise asyncio.CancelledError


async def text(scope, receive, send):
    await answer(send, "text")


async def headers(scope, receive, send):
    await answer(send, b"x", headers=[("a", "b")])


async def split(scope, receive, send):
    await answer(send, b"x", headers=[(b"a", b"b\r\nset-cookie: c")])


async def swallowed(scope, receive, send):
    """Make a mistake, and mend it."""
    try:
        await send({"type": "http.response.start", "status": 1000})
    except RuntimeError as error:
        await answer(send, str(error).encode())


async def framing(scope, receive, send):
    await answer(send, b"hello", headers=[(b"transfer-encoding", b"gzip"), (b"x", b"y")])


async def empty(scope, receive, send):
    await answer(send, b"octets", status=int(scope["query_string"]))


async def block(scope, receive, send):
    time.sleep(60)


async def quit_in_a_callback(scope, receive, send):
    """Send the worker a signal while a callback of the loop runs, which may swallow exceptions."""

    class Quitting(asyncio.Protocol):
        def data_received(self, data):
            os.kill(os.getpid(), signal.SIGQUIT)

    ours, theirs = socket.socketpair()
    GATES["quitting"] = await asyncio.get_running_loop().connect_accepted_socket(Quitting, ours)
    theirs.send(b"x")
    await asyncio.sleep(60)


async def asyncio_works(scope, receive, send):
    """Use what needs to know the task."""
    import anyio
    import sniffio

    task = asyncio.current_task()
    told = [sniffio.current_async_library(), VARIABLE.get(), task in asyncio.all_tasks()]
    VARIABLE.set("set")
    async with asyncio.timeout(5):
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(0))
    with anyio.move_on_after(0.01) as scope_:
        await receive()
        await anyio.sleep(5)
    told += [scope_.cancelled_caught, asyncio.current_task() is task, VARIABLE.get()]
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
    told.append(id(task))
    GATES.setdefault("tasks", []).append(task)  # so that no other gets its id
    await answer(send, json.dumps(told).encode())


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError("no lifespan here")
    name = scope["path"].strip("/").replace("-", "_")
    await globals()[name](scope, receive, send)
