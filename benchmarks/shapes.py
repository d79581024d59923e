"""An application with responses of several shapes, by path; it reads whatever body there is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

TEXT = ("Content-Type", "text/plain")
HELLO = b"Hello, World!"
BLOCK = b"x" * 1024
MEBIBYTE = b"x" * 1024 * 1024


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/streamed":
        start_response("200 OK", [TEXT])
        return (BLOCK for _ in range(100))
    if environ["REQUEST_METHOD"] == "POST":
        environ["wsgi.input"].read()
    body = MEBIBYTE if path == "/mebibyte" else HELLO
    start_response("200 OK", [TEXT, ("Content-Length", str(len(body)))])
    return [body]
