"""ASGI applications that start and end, each in its own way."""

from __future__ import annotations

import asyncio
import os
from urllib.parse import unquote

from corn_testkit.apps.asgi.common import Receive, Scope, Send, answer, argument, say


class Life:
    """An application that says how its lifespan goes.

    :param startup: what it answers to ``lifespan.startup``, or what it does instead.
    :param shutdown: the same for ``lifespan.shutdown``.
    """

    def __init__(self, startup: str = "complete", shutdown: str = "complete") -> None:
        self.startup = startup
        self.shutdown = shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
        elif scope["type"] == "websocket":
            await self.talk(receive, send)
        elif scope["path"] == "/hang":
            await self.hang()
        else:
            await self.tell(scope, send)
            if scope["path"] == "/background":
                await self.work_on(unquote(argument(scope)))

    async def tell(self, scope: Scope, send: Send) -> None:
        """Tell the state, and put something of this request's own into it."""
        state = scope.get("state", {})
        body = f"{os.getpid()} {sorted(state.items())}"
        state["mine"] = 1
        await answer(send, body.encode())

    async def work_on(self, path: str) -> None:
        """Wait until there is a file."""
        while not os.path.exists(path):
            await asyncio.sleep(0.01)
        say("the background work has ended")

    async def hang(self) -> None:
        say("hanging")
        try:
            await asyncio.sleep(3600)
        finally:
            say("hanging ends")

    async def talk(self, receive: Receive, send: Send) -> None:
        """Tell when the socket is closed."""
        await receive()
        await send({"type": "websocket.accept"})
        say("socket opens")
        message = await receive()
        say("socket ends with", message["code"])

    async def lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "lifespan.startup"
        say(f"starts in {os.getpid()}")
        scope["state"]["shared"] = os.getpid()
        if self.startup == "raise":
            raise RuntimeError("no database")
        if self.startup == "return":
            return
        if self.startup == "hang":
            await asyncio.sleep(3600)
        message = "Traceback:\n  somewhere\nRuntimeError: no database"
        await send({"type": f"lifespan.startup.{self.startup}", "message": message})
        assert (await receive())["type"] == "lifespan.shutdown"
        say("shuts down")
        if self.shutdown == "raise":
            raise RuntimeError("cannot shut down")
        if self.shutdown == "hang":
            await asyncio.sleep(3600)
        await send({"type": f"lifespan.shutdown.{self.shutdown}", "message": "not in order"})


app = Life()
failing = Life("failed")
raising = Life("raise")
returning = Life("return")
hanging = Life("hang")
ending_badly = Life(shutdown="failed")
ending_raising = Life(shutdown="raise")
ending_never = Life(shutdown="hang")
wrong = Life("finished")


def create_app(startup: str = "complete") -> Life:
    """Make an application, as frameworks' factories do."""
    return Life(startup)


async def create_later(startup: str = "complete") -> Life:
    """Make an application that needs the loop for it."""
    await asyncio.sleep(0)
    return Life(startup)


async def create_nothing() -> None:
    """Make none."""
