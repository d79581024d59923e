"""An application with 25 MB of data, a path that computes and one that waits, for sizing.py."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

WAITING = 0.05
"""Seconds that ``/wait`` takes, without using the processor."""

TABLE = {number: f"article {number}" for number in range(250_000)}

HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "13")]


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    if environ["PATH_INFO"] == "/wait":
        time.sleep(WAITING)
    elif environ["PATH_INFO"] == "/compute":
        sum(len(TABLE[number]) for number in range(100_000))
    start_response("200 OK", HEADERS)
    return [b"Hello, World!"]
