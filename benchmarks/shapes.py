"""An application with responses of several shapes, by path; it reads whatever body there is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

TEXT = ("Content-Type", "text/plain")
HELLO = b"Hello, World!"
BLOCK = b"x" * 1024
BLOCKS = 100
MEBIBYTE = b"x" * 1024 * 1024
WAITS = {"/slow": 0.05, "/brief": 0.002}
"""Seconds that these paths take, without using the processor."""


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/streamed":
        start_response("200 OK", [TEXT])
        return (BLOCK for _ in range(BLOCKS))
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
    elif path in WAITS:
        time.sleep(WAITS[path])
    body = MEBIBYTE if path == "/mebibyte" else HELLO
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body)))])
    return [body]
