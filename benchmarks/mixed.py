"""An application with slower paths, and one that counts what each of its processes answers."""

from __future__ import annotations

import atexit
import os
import time
from collections.abc import Callable
from typing import Any

SLOW = 0.05
"""Seconds that ``/slow`` takes, without using the processor."""
BRIEF = 0.002
"""Seconds that ``/brief`` takes, likewise."""

HEADERS = [("Content-Type", "text/plain"), ("Content-Length", "13")]


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    if environ["PATH_INFO"] == "/slow":
        time.sleep(SLOW)
    elif environ["PATH_INFO"] == "/brief":
        time.sleep(BRIEF)
    start_response("200 OK", HEADERS)
    return [b"Hello, World!"]


def counted() -> Callable[..., list[bytes]]:
    """Make the application, in a process that finally says how many requests it has answered.

    It says so in a file of the directory that the variable ``COUNTS`` names.
    """
    answered = 0

    def counting(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        nonlocal answered
        answered += 1
        return app(environ, start_response)

    def tell() -> None:
        with open(os.path.join(os.environ["COUNTS"], str(os.getpid())), "w") as file:
            file.write(str(answered))

    atexit.register(tell)
    return counting
