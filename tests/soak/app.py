"""A fast application and a slow one, for clients that check what they get."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Answers with the path and the query; ``/slow`` takes its time."""
    path = environ["PATH_INFO"]
    if path == "/slow":
        time.sleep(0.01)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{path} {environ['QUERY_STRING']}".encode()]
