"""An application that keeps the processor busy, and tells in which order requests came."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from time import thread_time
from typing import Any

SERVICE = 0.00025
"""Seconds of the processor that a request takes."""

_order: list[str] = []


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer with this process's number in brackets, or under ``/order`` with all paths so far."""
    path: str = environ["PATH_INFO"]
    if path == "/order":
        body = "\n".join(_order).encode()
    else:
        _order.append(path)
        end = thread_time() + SERVICE
        while thread_time() < end:
            pass
        body = b"<%d>" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
