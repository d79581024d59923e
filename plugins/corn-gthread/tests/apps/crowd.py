"""An application that notices who is in it at the same time."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

BULK = bytes(1_000_000)

lock = threading.Lock()
calls: Counter[str] = Counter()
inside: Counter[int] = Counter()
overlaps: list[str] = []
most = 0


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/report":
        body = json.dumps({"calls": calls, "overlaps": overlaps, "most": most}).encode()
    elif path == "/thread":
        body = threading.current_thread().name.encode()
    elif path == "/digest":
        # The interpreter is free meanwhile, so that others see that it takes long.
        body = hashlib.sha256(BULK).hexdigest().encode()
    elif path == "/sleep":
        time.sleep(float(environ["QUERY_STRING"]))
        body = b"slept"
    else:
        body = visit(path, environ)
    if path.startswith("/file"):
        with open(__file__, "rb") as file:
            body = file.read()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](open(__file__, "rb"))  # noqa: SIM115
        return wrapped
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def visit(path: str, environ: dict[str, Any]) -> bytes:
    """Stay for ``sleep`` seconds; then fail, or say the path again, ``times`` times."""
    global most
    query = parse_qs(environ["QUERY_STRING"])
    connection = environ["REMOTE_PORT"]
    with lock:
        calls[path] += 1
        inside[connection] += 1
        most = max(most, inside.total())
        if inside[connection] > 1:
            overlaps.append(path)
    try:
        if "sleep" in query:
            time.sleep(float(query["sleep"][0]))
        if "fail" in query:
            raise ValueError(path)
        body: bytes = environ["wsgi.input"].read()
        return path.encode() * int(query.get("times", "1")[0]) + body
    finally:
        with lock:
            inside[connection] -= 1
