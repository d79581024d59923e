"""An application that counts the calls of corn's own functions from one request to the next."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from types import FrameType
from typing import Any

counts: list[int] = []
"""For each request after the first, the calls since the application was called before."""

calls = 0


def count(frame: FrameType, event: str, arg: object) -> None:
    """Count a call if the function is in a package of corn's."""
    global calls
    directory = frame.f_code.co_filename.rpartition("/")[0]
    if event == "call" and "/corn_" in directory:
        calls += 1


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answer with the counts so far; ``/begin`` begins to count in the thread that answers it."""
    global calls
    if environ["PATH_INFO"] == "/begin":
        sys.setprofile(count)
        if "gevent" in sys.modules:
            from gevent.hub import get_hub

            # Each greenlet has a profile function of its own, and the hub calls corn too.
            get_hub().loop.run_callback(sys.setprofile, count)
    else:
        counts.append(calls)
    calls = 0
    if "CONTENT_LENGTH" in environ:
        environ["wsgi.input"].read()
    body = json.dumps(counts).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
