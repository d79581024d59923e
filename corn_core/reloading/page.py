"""The page that replaces an application which cannot be imported."""

from __future__ import annotations

from html import escape
from typing import Any

from corn_core.interfaces import StartResponse, WSGIApp

_PAGE = """<!DOCTYPE html>
<html>
<head><meta charset="utf-8"><title>The application cannot be loaded</title></head>
<body>
<h1>The application cannot be loaded</h1>
<p>{message}</p>
<pre>{details}</pre>
<p>corn tries again as soon as one of the files is saved.</p>
</body>
</html>
"""


def failure_app(message: str, details: str) -> WSGIApp:
    """Make an application that answers every request with a message and a traceback."""
    text = _PAGE.format(message=escape(message), details=escape(details))
    # A file name need not be valid text in any encoding.
    body = text.encode("utf-8", "backslashreplace")
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
    ]

    def application(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
        start_response("500 Internal Server Error", headers)
        return [body]

    return application
