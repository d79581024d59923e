"""wsgi.file_wrapper: a file arrives as it is, from where it stands, whatever sends it."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import parse, read_all

pytestmark = pytest.mark.corn_lacks("asgi")

SIZE = 3 * 1024 * 1024 + 17


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(os.urandom(SIZE))
    return path


def url(file: Path, offset: int = 0) -> str:
    return f"/file?q={quote(str(file))}&from={offset}"


@pytest.mark.parametrize("offset", [0, 70_000, SIZE - 1, SIZE])
def test_from_where_it_stands(shared: Subject, file: Path, offset: int) -> None:
    """wsgi.file_wrapper sends a file from its current position to its end."""
    reply = shared.request(path=url(file, offset))
    assert reply.status == 200
    assert reply.body == file.read_bytes()[offset:]


def test_head(shared: Subject, file: Path) -> None:
    """The response to HEAD has no body, also if the application returns a file."""
    request = f"HEAD {url(file)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    assert shared.raw(request.encode()).endswith(b"\r\n\r\n")


def test_http_1_0(shared: Subject, file: Path) -> None:
    """An HTTP/1.0 client gets the whole file."""
    received = shared.raw(f"GET {url(file)} HTTP/1.0\r\n\r\n".encode())
    assert parse(received).body == file.read_bytes()


def test_without_sendfile(start: Start, file: Path) -> None:
    """A file arrives whole without sendfile, too."""
    subject = start("--no-sendfile")
    assert subject.request(path=url(file, 1)).body == file.read_bytes()[1:]
    subject.stop()


def test_slow_reader_and_one_that_leaves(shared: Subject, file: Path) -> None:
    """A client that reads a file slowly, or leaves, does not disturb the others."""
    request = f"GET {url(file)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    with shared.address.connect() as slow, shared.address.connect() as leaving:
        slow.sendall(request)
        leaving.sendall(request)
        assert leaving.recv(1000)
        leaving.close()
        assert shared.get() == "hello"
        assert parse(read_all(slow)).body == file.read_bytes()
