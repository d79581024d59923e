"""``probe:app`` for workers that serve ASGI: the same views, and those that wait written anew.

A view of the WSGI application is called with an environ made of the scope and the whole body. It
may not wait for anything, because the others in the loop would wait with it.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from io import BytesIO
from itertools import chain
from typing import Any

from corn_testkit.apps import probe
from corn_testkit.apps.asgi.common import Receive, Scope, Send, View, answer, read


def environ_of(scope: Scope, body: bytes = b"") -> dict[str, Any]:
    """Say in the words of WSGI what the scope says."""
    client, server = scope["client"], scope["server"]
    return {
        "REQUEST_METHOD": scope["method"],
        "PATH_INFO": scope["path"],
        "QUERY_STRING": scope["query_string"].decode(),
        "REMOTE_ADDR": client[0] if client else "",
        "SERVER_PORT": str(server[1] or ""),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.errors": sys.stderr,
        "wsgi.input": BytesIO(body),
    }


async def text(send: Send, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await answer(send, body, headers=[(b"content-type", b"text/plain"), length])


async def wait(scope: Scope, receive: Receive, send: Send) -> None:
    """Wait until there is a byte in the FIFO that ?q= names."""
    fd = os.open(probe.argument(environ_of(scope)), os.O_RDONLY | os.O_NONBLOCK)
    try:
        while not probe.arrived(fd):
            await asyncio.sleep(0.005)
    finally:
        os.close(fd)
    await text(send, b"waited in %d" % os.getpid())


async def sleep(scope: Scope, receive: Receive, send: Send) -> None:
    """Sleep for as many seconds as ?q= says."""
    await asyncio.sleep(float(probe.argument(environ_of(scope))))
    await text(send, b"slept in %d" % os.getpid())


async def hint(scope: Scope, receive: Receive, send: Send) -> None:
    if "http.response.early_hint" in scope["extensions"]:
        links = [b"</style.css>; rel=preload"]
        await send({"type": "http.response.early_hint", "links": links})
    await text(send, b"hinted")


async def bridge(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with a view of the WSGI application."""
    body = await read(receive)
    if body is None:
        return

    async def pass_on(status: str, fields: list[tuple[str, str]]) -> None:
        pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        start = {"type": "http.response.start", "status": int(status.split()[0])}
        await send({**start, "headers": pairs})

    started: list[Any] = []
    written: list[bytes] = []

    def start_response(*start: Any) -> Callable[[bytes], None]:
        started.extend(start)
        return written.append

    parts = probe.app(environ_of(scope, body), start_response)
    try:
        pieces = chain(written, parts)
        piece = next(pieces, None)
        await pass_on(*started)
        while piece is not None:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            piece = next(pieces, None)
        await send({"type": "http.response.body"})
    finally:
        if hasattr(parts, "close"):
            parts.close()


VIEWS: dict[str, View] = {"/wait": wait, "/sleep": sleep, "/hint": hint}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        raise NotImplementedError("this application knows HTTP and nothing else")
    await VIEWS.get(scope["path"], bridge)(scope, receive, send)
