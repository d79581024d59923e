"""Streams and files: `corn --chdir examples download:app`.

`/` sends this file, with sendfile if it were longer; `/count` sends lines as they are made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., object]


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Choose by the path."""
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    if environ["PATH_INFO"] == "/count":
        return count()
    # The server closes the file when the response is done.
    source: Iterable[bytes] = environ["wsgi.file_wrapper"](open(__file__, "rb"))  # noqa: SIM115
    return source


def count() -> Iterator[bytes]:
    """Yield a body of unknown length, which is sent in chunks."""
    for number in range(1, 11):
        yield f"{number}\n".encode()
