"""A small resource in FastAPI."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

app = FastAPI()


@app.get("/")
async def item(number: int = 7) -> dict[str, Any]:
    """Answer with what FastAPI has checked and encoded."""
    return {"number": number, "name": "lamp", "tags": ["brass", "small"], "price": 12.5}
