"""An application whose response is longer than a client takes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PIECE = b"x" * 65536
PIECES = 256


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """16 MiB; says in the file that the query names when it has produced all of it."""
    if environ["PATH_INFO"] == "/small":
        start_response("200 OK", [("Content-Length", "5")])
        return [b"small"]
    start_response("200 OK", [("Content-Length", str(len(PIECE) * PIECES))])
    return produce(Path(environ["QUERY_STRING"]))


def produce(mark: Path) -> Iterator[bytes]:
    try:
        for _ in range(PIECES):
            yield PIECE
        mark.write_text("all")
    except GeneratorExit:
        mark.write_text("broken off")
        raise
