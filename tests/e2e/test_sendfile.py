"""wsgi.file_wrapper: a file arrives as it is, from where it stands, whatever sends it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from corn_testkit.client import parse, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server

SIZE = 3 * 1024 * 1024 + 17


@pytest.fixture(scope="module", params=["--no-sendfile", "", "SENDFILE=0"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    flags = [request.param] if request.param.startswith("--") else []
    env = {"SENDFILE": "0"} if "SENDFILE" in request.param else None
    arguments = ["--bind=127.0.0.1:0", *flags, "probe:app"]
    running = Server(tmp_path_factory.mktemp("server"), arguments, env=env)
    try:
        yield running.started()
        running.stop()
    finally:
        running.kill()
    running.check_log()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("files") / "file"
    path.write_bytes(os.urandom(SIZE))
    return path


def url(file: Path, offset: int = 0) -> str:
    return f"/file?q={quote(str(file))}&from={offset}"


@pytest.mark.parametrize("offset", [0, 1, 70_000, SIZE - 1])
def test_from_where_it_stands(server: Server, file: Path, offset: int) -> None:
    reply = server.request(path=url(file, offset))
    assert reply.status == 200
    assert reply.body == file.read_bytes()[offset:]


def test_empty_rest(server: Server, file: Path) -> None:
    assert server.request(path=url(file, SIZE)).body == b""


def test_head(server: Server, file: Path) -> None:
    received = server.raw(f"HEAD {url(file)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert received.endswith(b"\r\n\r\n")


def test_http_1_0(server: Server, file: Path) -> None:
    received = server.raw(f"GET {url(file)} HTTP/1.0\r\n\r\n".encode())
    assert parse(received).body == file.read_bytes()


def test_client_that_leaves_in_the_middle(server: Server, file: Path) -> None:
    with server.address.connect() as client:
        client.sendall(f"GET {url(file)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(1000)
    assert server.get() == "hello"


def test_file_that_does_not_exist_is_the_applications_error(serve: Serve) -> None:
    server = serve("probe:app")
    server.tracebacks_expected = True
    assert server.request(path=url(Path("/nowhere"))).status == 500
    server.stop()


def test_slow_reader_of_a_file(serve: Serve, file: Path) -> None:
    server = serve("probe:app")
    with server.address.connect() as slow:
        slow.sendall(f"GET {url(file)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert server.get() == "hello"
        assert parse(read_all(slow)).body == file.read_bytes()
    server.stop()
