"""ASGI workers that each break one clause of what they must do; what they are made of is sound."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from corn_asgi.connection import Connection
from corn_asgi.server import Server
from corn_asgi.worker import AsgiWorker

MEBIBYTE = 1024 * 1024


class Between(AsgiWorker):
    """Stands between the application and the worker, as most mistakes of a server can."""

    def prepare(self) -> None:
        inner: Any = self.app

        async def between(scope: Any, receive: Any, send: Any) -> None:
            await self.call(inner, scope, receive, send)

        app: Any = between
        self.app = app
        super().prepare()

    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)


# -- requests ------------------------------------------------------------------------------


class ReadsAhead(Between):
    """Reads the body whether or not the application asks for it."""

    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        messages: asyncio.Queue[Any] = asyncio.Queue()

        async def read() -> None:
            while True:
                message = await receive()
                messages.put_nowait(message)
                if message["type"] != "http.request" or not message["more_body"]:
                    return

        if scope["type"] == "http":
            reading = asyncio.ensure_future(read())
            await app(scope, messages.get, send)
            reading.cancel()
        else:
            await app(scope, receive, send)


class MergesFields(Between):
    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            merged: dict[bytes, bytes] = {}
            for name, value in scope["headers"]:
                merged[name] = merged[name] + b", " + value if name in merged else value
            scope["headers"] = list(merged.items())
        await app(scope, receive, send)


class SharesItsState(Between):
    state: ClassVar[dict[str, Any]] = {}

    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        if "state" in scope and scope["type"] != "lifespan":
            self.state.update(scope["state"])
            scope["state"] = self.state
        await app(scope, receive, send)


class LosesPipelinedRequests(AsgiWorker):
    def prepare(self) -> None:
        whole = Connection._await_request

        def forgetful(connection: Connection) -> None:
            connection.parser.unread()
            whole(connection)

        Connection._await_request = forgetful  # type: ignore[assignment,method-assign]
        super().prepare()


# -- responses -----------------------------------------------------------------------------


class BuffersTheStream(Between):
    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        parts: list[bytes] = []

        async def keep(message: Any) -> None:
            if message["type"] == "http.response.body":
                parts.append(message.get("body", b""))
                if message.get("more_body"):
                    return
                message = {**message, "body": b"".join(parts)}
            await send(message)

        await app(scope, receive, keep)


class LetsLineEndsThrough(Between):
    """Writes values as they are, so that a line end begins another field."""

    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        async def split(message: Any) -> None:
            if scope["type"] == "http" and "headers" in message:
                lines = [b": ".join(pair).split(b"\r\n") for pair in message["headers"]]
                pairs = [line.partition(b": ")[::2] for each in lines for line in each]
                message = {**message, "headers": pairs}
            await send(message)

        await app(scope, receive, split)


class CompletesWhatHasFailed(Between):
    """Ends a response in order whose application has failed."""

    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        finally:
            if scope["type"] == "http" and scope["path"] == "/crash-late":
                await send({"type": "http.response.body"})


# -- clients -------------------------------------------------------------------------------


class HidesDisconnects(Between):
    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        async def hide() -> Any:
            message = await receive()
            if message["type"] == "http.disconnect":
                await asyncio.sleep(3600)
            return message

        await app(scope, hide, send)


class KeepsWhatIsNotRead(Between):
    """Keeps up to 64 MiB for a client that does not read."""

    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        queue: asyncio.Queue[Any] = asyncio.Queue(64 * MEBIBYTE // 65536)

        async def pump() -> None:
            while True:
                await send(await queue.get())
                queue.task_done()

        pumping = asyncio.ensure_future(pump())
        await app(scope, receive, send if scope["type"] == "lifespan" else queue.put)
        await queue.join()
        pumping.cancel()


# -- the application's life ----------------------------------------------------------------


class ServesBeforeStartup(Between):
    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await send({"type": "lifespan.startup.complete"})

            async def quiet(message: Any) -> None:
                if not message["type"].startswith("lifespan.startup"):
                    await send(message)

            await app(scope, receive, quiet)
        else:
            await app(scope, receive, send)


class IgnoresFailedStartup(Between):
    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        async def hopeful(message: Any) -> None:
            if message["type"] == "lifespan.startup.failed":
                message = {"type": "lifespan.startup.complete"}
            await send(message)

        await app(scope, receive, hopeful)


class ForgetsShutdown(AsgiWorker):
    class server_class(Server):
        async def _shut_down(self, patience: float) -> None:
            pass


# -- websockets ----------------------------------------------------------------------------


class ClosesWithAnyCode(AsgiWorker):
    class server_class(Server):
        def stop_code(self) -> int:
            return 1000


class HidesFailuresOfSockets(Between):
    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except ValueError:
            if scope["type"] != "websocket":
                raise


class TakesFragmentsForMessages(Between):
    """Sends the parts of a message as messages, and so echoes more than came."""

    async def call(self, app: Any, scope: Any, receive: Any, send: Any) -> None:
        async def halve(message: Any) -> None:
            text = message.get("text") if message["type"] == "websocket.send" else None
            if text and len(text) > 1:
                await send({**message, "text": text[:1]})
                message = {**message, "text": text[1:]}
            await send(message)

        await app(scope, receive, halve)
