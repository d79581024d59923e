"""An application that prints, and that logs under the names it knows."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any

print("talkative is loaded")


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    print(f"printed for {path}")
    print(f"complained for {path}", file=sys.stderr)
    os.system(f"echo echoed for {path}")
    logging.getLogger("gunicorn.error").warning("by the old name for %s", path)
    logging.getLogger("shop").info("sold for %s", path)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
