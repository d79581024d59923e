"""Objects that can be called, but are not WSGI applications."""

from __future__ import annotations

from typing import Any


async def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    return []


async def make() -> Any:
    return app
