"""An application that can be made to leak."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

LEAK: list[bytes] = []


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/grow":
        LEAK.append(bytes(range(256)) * (512 * 1024))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
