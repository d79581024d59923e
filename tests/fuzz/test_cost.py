"""Compares what an octet costs in small and in large messages, counted in calls.

Calls of Python and C functions are counted, so that the result is the same on any machine. How
far a C function searches is not seen here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType

import pytest

from corn_core.http import Limits, RequestParser
from tests.fuzzing import AT_LENGTH
from tests.http_corpus.drive import Reader

SMALL, LARGE = 1024, 1024 * (1024 if AT_LENGTH else 32)
LIMITS = Limits(request_line=0, fields=0, field_size=0)
START = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"


def repeated(unit: bytes, size: int) -> bytes:
    return unit * (size // len(unit))


WIRES: dict[str, Callable[[int], bytes]] = {
    "fields": lambda size: START + repeated(b"X-A: some value\r\n", size) + b"\r\n",
    "names": lambda size: (
        START + b"".join(b"X-%d: y\r\n" % one for one in range(size // 12)) + b"\r\n"
    ),
    "one value": lambda size: START + b"X-A: " + b"y" * size + b"\r\n\r\n",
    "no end of a line": lambda size: START + b"y" * size,
    "colons": lambda size: START + b"X-A" + b":" * size + b"\r\n\r\n",
    "target": lambda size: b"GET /" + b"%41?" * (size // 4) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "host": lambda size: b"GET / HTTP/1.1\r\nHost: " + b"a." * (size // 2) + b"\r\n\r\n",
    "length": lambda size: START + b"Content-Length: %d\r\n\r\n" % size + b"y" * size,
    "chunks": lambda size: CHUNKED + repeated(b"1\r\ny\r\n", size) + b"0\r\n\r\n",
    "one chunk": lambda size: CHUNKED + b"%x\r\n" % size + b"y" * size + b"\r\n0\r\n\r\n",
    "trailers": lambda size: CHUNKED + b"0\r\n" + repeated(b"X-A: y\r\n", size) + b"\r\n",
    "pipelined": lambda size: repeated(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", size),
}


def calls(wire: bytes, piece: int) -> int:
    """Read a message in pieces of so many octets; returns how many calls that takes."""
    count = 0

    def note(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    reader = Reader(RequestParser(LIMITS))
    pieces = [wire[start : start + piece] for start in range(0, len(wire), piece)]
    before = sys.getprofile()
    sys.setprofile(note)
    try:
        reader.run(pieces)
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("piece", [256, LARGE * 2])
@pytest.mark.parametrize("name", WIRES)
def test_calls_per_octet_stay_the_same(name: str, piece: int) -> None:
    few, many = WIRES[name](SMALL), WIRES[name](LARGE)
    # What a message costs by itself is shared by fewer octets in the small one.
    assert calls(many, piece) / len(many) <= 1.1 * calls(few, piece) / len(few)
