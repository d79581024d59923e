"""Shows what an application sees of a TLS connection, and the modules its worker has imported."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    names = ("HTTPS", "corn.peercert", "wsgi.url_scheme")
    told = {
        name: value for name, value in environ.items() if name in names or name.startswith("SSL_")
    }
    told["pid"] = os.getpid()
    told["ssl is imported"] = "ssl" in sys.modules
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
