"""A Tornado application of many small handlers, for the tests of the worker."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Any

from tornado.ioloop import IOLoop
from tornado.iostream import StreamClosedError
from tornado.web import Application, RequestHandler, stream_request_body
from tornado.websocket import WebSocketHandler
from tornado.wsgi import WSGIContainer

AT_IMPORT = IOLoop.current()


class Loop(RequestHandler):
    """Tells whether code that asked for the loop during the import got the one that runs."""

    def get(self) -> None:
        self.write(str(AT_IMPORT is IOLoop.current()))


class Hello(RequestHandler):
    def get(self) -> None:
        self.write("hello")


class Pid(RequestHandler):
    def get(self) -> None:
        self.write(str(os.getpid()))


class Echo(RequestHandler):
    def post(self) -> None:
        self.write(self.request.body)


@stream_request_body
class Count(RequestHandler):
    """Counts the bytes of a body that it does not keep."""

    async def prepare(self) -> None:
        self.counted = 0
        await asyncio.sleep(0)

    async def data_received(self, chunk: bytes) -> None:
        await asyncio.sleep(0)
        self.counted += len(chunk)

    def post(self) -> None:
        self.write(str(self.counted))


class Stream(RequestHandler):
    """So many pieces as ?n= says, each sent by itself."""

    async def get(self) -> None:
        for number in range(int(self.get_argument("n"))):
            self.write(f"piece {number}\n")
            await self.flush()


class Large(RequestHandler):
    def get(self) -> None:
        self.write(bytes(50_000_000))


class Wait(RequestHandler):
    """Waits, without holding the loop, until the FIFO that ?q= names was opened and closed."""

    async def get(self) -> None:
        # Without a writer a FIFO is not ready; when its only one has left, it is.
        gate = os.open(self.get_argument("q"), os.O_RDONLY | os.O_NONBLOCK)
        loop, closed = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(gate, closed.set)
        try:
            await closed.wait()
        finally:
            loop.remove_reader(gate)
            os.close(gate)
        self.write(f"waited in {os.getpid()}")


class Fail(RequestHandler):
    def get(self) -> None:
        raise RuntimeError("a defect of the application")


class Origin(RequestHandler):
    def get(self) -> None:
        self.write({"protocol": self.request.protocol, "remote_ip": self.request.remote_ip})


class Hold(RequestHandler):
    def get(self) -> None:
        time.sleep(60)


def hello(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"contained"]


class EchoSocket(WebSocketHandler):
    async def on_message(self, message: str | bytes) -> None:
        try:
            await self.write_message(message, binary=isinstance(message, bytes))
        except StreamClosedError:
            return

    def on_close(self) -> None:
        print("closed with", self.close_code, flush=True)


def make(**settings: Any) -> Application:
    return Application(
        [
            ("/", Hello),
            ("/pid", Pid),
            ("/echo", Echo),
            ("/count", Count),
            ("/stream", Stream),
            ("/large", Large),
            ("/wait", Wait),
            ("/fail", Fail),
            ("/origin", Origin),
            ("/hold", Hold),
            ("/loop", Loop),
            ("/socket", EchoSocket),
        ],
        **settings,
    )


app = make()

contained = WSGIContainer(hello)
