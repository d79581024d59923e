"""Says what the server knows of the client."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

PREFIXES = ("REMOTE_", "PROXY_", "SCRIPT_", "PATH_", "HTTP_", "wsgi.url_scheme")


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    known = {key: value for key, value in environ.items() if key.startswith(PREFIXES)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(known).encode()]
