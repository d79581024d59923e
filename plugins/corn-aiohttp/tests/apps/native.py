"""An aiohttp application, and ways of naming it."""

from __future__ import annotations

import asyncio
import os
import sys

from aiohttp import web


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def hello(request: web.Request) -> web.Response:
    return web.Response(text="hello")


async def pid(request: web.Request) -> web.Response:
    return web.Response(text=str(os.getpid()))


async def echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def fail(request: web.Request) -> web.Response:
    raise RuntimeError("on purpose")


async def wait(request: web.Request) -> web.Response:
    """Wait until the FIFO in the query has been opened and closed by a writer."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, lambda: open(request.query_string).read())  # noqa: SIM115
    return web.Response(text="waited")


async def hang(request: web.Request) -> web.Response:
    say("hanging")
    try:
        await asyncio.sleep(3600)
    finally:
        say("hanging ends")
    return web.Response()


async def websocket(request: web.Request) -> web.WebSocketResponse:
    response = web.WebSocketResponse()
    await response.prepare(request)
    async for message in response:
        await response.send_str(f"echo {message.data}")
    return response


async def on_startup(app: web.Application) -> None:
    say(f"starts in {os.getpid()}")


async def on_shutdown(app: web.Application) -> None:
    say("shuts down")


async def on_cleanup(app: web.Application) -> None:
    say("cleans up")


def make() -> web.Application:
    made = web.Application()
    handlers = (hello, pid, echo, fail, wait, hang, websocket)
    made.add_routes([web.route("*", f"/{handler.__name__}", handler) for handler in handlers])
    made.on_startup.append(on_startup)
    made.on_shutdown.append(on_shutdown)
    made.on_cleanup.append(on_cleanup)
    return made


async def make_later(pause: float = 0.0) -> web.Application:
    await asyncio.sleep(pause)
    return make()


async def make_nothing() -> None:
    """Forgets to return what it made."""


async def _fail_to_start(app: web.Application) -> None:
    raise RuntimeError("no database")


def make_broken() -> web.Application:
    made = make()
    made.on_startup.append(_fail_to_start)
    return made


app = make()
