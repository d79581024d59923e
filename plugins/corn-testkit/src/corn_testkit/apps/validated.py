"""The probe under the eyes of wsgiref's validator (PEP 3333)."""

from __future__ import annotations

from typing import Any
from wsgiref.validate import validator

from corn_testkit.apps import probe


def reading(environ: dict[str, Any], start_response: Any) -> Any:
    """Read with a size, as the validator demands; the input does everything else."""
    stream = environ["wsgi.input"]
    parts = [stream.readline(), *stream.readlines(1), *iter(lambda: stream.read(7), b"")]
    environ["wsgi.errors"].write("read it all\n")
    environ["wsgi.errors"].flush()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"|".join(parts)]


def choose(environ: dict[str, Any], start_response: Any) -> Any:
    if environ["PATH_INFO"] == "/reading":
        return reading(environ, start_response)
    return probe.app(environ, start_response)


app = validator(choose)
