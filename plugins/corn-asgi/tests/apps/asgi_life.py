"""ASGI applications that start and end, each in its own way."""

import asyncio
import os
import sys


def say(*words):
    print(*words, file=sys.stderr, flush=True)


class Life:
    """An application that says how its lifespan goes.

    :param startup: what it answers to ``lifespan.startup``, or what it does instead.
    """

    def __init__(self, startup="complete", shutdown="complete"):
        self.startup = startup
        self.shutdown = shutdown

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
        elif scope["path"] == "/hang":
            say("hanging")
            try:
                await asyncio.sleep(3600)
            finally:
                say("hanging ends")
        else:
            await self.answer(scope, send)

    async def answer(self, scope, send):
        state = scope.get("state", {})
        body = f"{os.getpid()} {sorted(state.items())}"
        state["mine"] = 1
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": body.encode()})

    async def lifespan(self, scope, receive, send):
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


def create_app(startup="complete"):
    return Life(startup)


async def create_later(startup="complete"):
    await asyncio.sleep(0)
    return Life(startup)


async def create_nothing():
    return None


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]


def asgi2(scope):
    """Stand for an application of ASGI 2."""
