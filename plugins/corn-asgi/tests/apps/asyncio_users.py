"""An ASGI application that uses asyncio in the ways that libraries do."""

import asyncio
import json
import os
import signal
import socket

import anyio
import sniffio

KEPT = []


async def loop(scope, receive):
    module = type(asyncio.get_running_loop()).__module__
    return "uvloop" if module.startswith("uvloop") else "asyncio"


async def use_anyio(scope, receive):
    """Use what needs to know the task."""
    library = sniffio.current_async_library()
    with anyio.move_on_after(0.01) as within:
        await receive()
        await anyio.sleep(60)
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep, 0)
    in_thread = await anyio.to_thread.run_sync(lambda: True)
    return json.dumps([library, within.cancelled_caught, in_thread])


async def quit_in_a_callback(scope, receive):
    """Send the worker a signal while a callback of the loop runs, which may swallow exceptions."""

    class Quitting(asyncio.Protocol):
        def data_received(self, data):
            os.kill(os.getpid(), signal.SIGQUIT)

    ours, theirs = socket.socketpair()
    KEPT.append(await asyncio.get_running_loop().connect_accepted_socket(Quitting, ours))
    theirs.send(b"x")
    await asyncio.sleep(60)


async def grow(scope, receive):
    """Hold 128 MiB from now on."""
    KEPT.append(b"x" * (128 * 1024 * 1024))
    return str(os.getpid())


VIEWS = {
    "/loop": loop,
    "/anyio": use_anyio,
    "/quit-in-a-callback": quit_in_a_callback,
    "/grow": grow,
}


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError("HTTP only")
    body = await VIEWS[scope["path"]](scope, receive)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": body.encode()})
