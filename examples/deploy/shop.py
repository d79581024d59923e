"""The application that all recipes serve: it says how it was called."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

SHOWN = ("REMOTE_ADDR", "HTTP_HOST", "HTTP_X_FORWARDED_FOR", "wsgi.url_scheme")


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer with what the proxy in front has told."""
    body = json.dumps({name: environ.get(name) for name in SHOWN}).encode()
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", fields)
    return [body]
