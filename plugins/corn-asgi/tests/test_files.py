"""The part of a file that a message names, without a server."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from corn_asgi.files import FilePart
from corn_asgi.messages import BadMessage

PATHSEND = "http.response.pathsend"
ZEROCOPY = "http.response.zerocopysend"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def test_a_path_is_the_whole_file(file: Path) -> None:
    with FilePart({"type": PATHSEND, "path": str(file)}) as part:
        assert (part.offset, part.count) == (0, 10)
    with pytest.raises(OSError):
        os.fstat(part.fd)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (3, 7)),
        ({"offset": None, "count": None}, (3, 7)),
        ({"offset": 0}, (0, 10)),
        ({"offset": 4, "count": 5}, (4, 5)),
        ({"offset": 4, "count": 50}, (4, 6)),
        ({"offset": 40}, (40, 0)),
        ({"count": 0}, (3, 0)),
    ],
)
def test_a_file_is_sent_from_where_it_stands(
    file: Path, more: dict[str, Any], expected: tuple[int, int]
) -> None:
    with open(file, "rb", buffering=0) as opened:
        opened.seek(3)
        with FilePart({"type": ZEROCOPY, "file": opened, **more}) as part:
            assert (part.offset, part.count) == expected
        # It is the application's to close.
        assert not opened.closed


@pytest.mark.parametrize("path", ["relative", b"/bytes", None, 5])
def test_a_path_that_is_not_one(path: Any) -> None:
    with pytest.raises(BadMessage, match="must be absolute"):
        FilePart({"type": PATHSEND, "path": path})


@pytest.mark.parametrize("kind", ["directory", "fifo", "device"])
def test_what_is_not_a_regular_file(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")
    with pytest.raises(BadMessage, match="must be a regular file"):
        FilePart({"type": PATHSEND, "path": str(path)})


@pytest.mark.parametrize("more", [{"offset": -1}, {"count": -1}, {"count": "5"}, {"file": "name"}])
def test_a_part_that_is_not_one(file: Path, more: dict[str, Any]) -> None:
    with open(file, "rb") as opened, pytest.raises(BadMessage):
        FilePart({"type": ZEROCOPY, "file": opened, **more})
