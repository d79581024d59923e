"""An application made by a call: `corn --chdir examples "factory:make_app('good evening')"`.

The arguments are literals. They are read, and not evaluated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any


def make_app(greeting: str, *, times: int = 1) -> Callable[..., Iterable[bytes]]:
    """Make an application that greets in its own way."""
    body = f"{greeting}\n".encode() * times

    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
        return [body]

    return app
