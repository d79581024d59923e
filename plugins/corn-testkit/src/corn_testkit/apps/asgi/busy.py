"""``busy:app`` for workers that serve ASGI."""

from __future__ import annotations

from corn_testkit.apps import busy
from corn_testkit.apps.asgi.common import Receive, Scope, Send, answer


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError("this application knows HTTP and nothing else")
    (body,) = busy.app({"PATH_INFO": scope["path"]}, lambda *_: None)
    await answer(send, body, headers=[(b"content-length", b"%d" % len(body))])
