"""Three views whose answers show whether a request was taken for another."""

from __future__ import annotations

from corn_testkit.apps.asgi.common import Receive, Scope, Send, answer, read


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/scope":
        # It has the loop's own objects too, which no literal shows.
        text = repr({**scope, "extensions": None, "state": None})
        # What an application writes into its scope is not to be seen by the next request.
        scope["path"] = "/changed"
        scope["headers"].append((b"x-changed", b"1"))
        await answer(send, text.encode())
    elif scope["path"] == "/length":
        await answer(send, b"%d" % len(await read(receive) or b""))
    else:
        await answer(send, b"hello")
