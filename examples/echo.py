"""Answers with what it was sent: `corn --chdir examples echo:app`.

Try `curl -F photo=@some.jpg http://127.0.0.1:8000/`, or a chunked upload. The body is complete
when the application is called, and may be read without a size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Describe the request, its body by length and hash."""
    length, digest = 0, sha256()
    while block := environ["wsgi.input"].read(65536):
        length += len(block)
        digest.update(block)
    lines = [f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']} {environ['QUERY_STRING']}"]
    lines += [f"{name}: {environ[name]}" for name in sorted(environ) if name.startswith("HTTP_")]
    lines += [f"{length} bytes", f"sha256 {digest.hexdigest()}"]
    start_response("200 OK", [("Content-Type", "text/plain; charset=iso-8859-1")])
    return ["\n".join([*lines, ""]).encode("latin-1")]
