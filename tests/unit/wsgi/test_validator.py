"""wsgiref's validator, on both sides of it: it finds nothing wrong with the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from tests.unit.wsgi.harness import Server, make_body

HEADS = [
    "GET / HTTP/1.1\nHost: example.com",
    "GET /a%20b;c?d=e HTTP/1.0",
    "HEAD / HTTP/1.1\nHost: example.com",
    "POST /form HTTP/1.1\nHost: example.com\nContent-Type: text/plain\nContent-Length: 11",
]


def as_list(write: Any) -> list[bytes]:
    return [b"some ", b"bytes"]


def as_generator(write: Any) -> Iterator[bytes]:
    yield b""
    yield b"some "
    yield b"bytes"


def written(write: Any) -> list[bytes]:
    write(b"some ")
    return [b"bytes"]


@pytest.mark.filterwarnings("ignore::wsgiref.validate.WSGIWarning")
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("give", [as_list, as_generator, written])
def test_validator_is_content(server: Server, head: str, give: Any) -> None:
    @validator
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        body = environ["wsgi.input"]
        if environ["REQUEST_METHOD"] == "POST":
            assert body.read(4) == b"one\n"
            assert body.readline() == b"two\n"
            assert body.readlines() == [b"end"]
        environ["wsgi.errors"].write("noted\n")
        environ["wsgi.errors"].flush()
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("X-A", "1")])
        return give(write)

    body = make_body(b"one\ntw", b"o\nend")
    answer = server.serve(app, head, body=body)
    assert "Traceback" not in server.errors
    assert answer.status == 200
    assert answer.body == (b"" if head.startswith("HEAD") else b"some bytes")


def test_validator_would_find_something(server: Server) -> None:
    @validator
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        return [b"no content type"]

    assert server.serve(app).status == 500
    assert "AssertionError" in server.errors
