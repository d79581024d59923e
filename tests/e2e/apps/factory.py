"""Applications that are made by a call, and one that is an attribute of an object."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

App = Callable[[dict[str, Any], Callable[..., object]], list[bytes]]


def create_app(name: str, *, count: int = 1) -> App:
    def app(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [name.encode() * count]

    return app


def make_app(config: object = None) -> App:
    return create_app(f"made of {config}")


class Site:
    """Holds an application."""

    wsgi = staticmethod(create_app("dotted"))


site = Site()
application = create_app("default name")
