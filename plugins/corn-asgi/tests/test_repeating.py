"""Answer clients that repeat their requests, octet by octet, which the connection remembers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_testkit.client import get, parse_all, post, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server

APPS = Path(__file__).with_name("apps")
CLOSE = "Connection: close"


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without an access log, because that looks at each request anew."""
    options = ["--worker-class=asgi", "--keep-alive=30", "--bind=127.0.0.1:0"]
    server = Server(tmp_path_factory.mktemp("quiet"), [*options, "repeated:app"], APPS)
    try:
        yield server.started()
        server.stop()
    finally:
        server.kill()


def answers(server: Server, *parts: bytes) -> list[str]:
    """Send these one by one, each when the one before was answered, and return all answers."""
    with server.address.connect() as client:
        data = b""
        for number, sent in enumerate(parts):
            client.sendall(sent)
            if sent.strip() and number < len(parts) - 1:
                seen = data.count(b"HTTP/1.1 ")
                while data.count(b"HTTP/1.1 ") == seen:
                    data += client.recv(65536)
        return [reply.text for reply in parse_all(data + read_all(client))]


def test_a_scope_is_the_same_each_time_and_another_object(quiet: Server) -> None:
    request = get("/scope?a=1", "X-A: 1")
    *found, last = answers(quiet, *[request] * 4, get("/scope?a=2", CLOSE))
    scopes = [ast.literal_eval(text) for text in found]
    assert scopes == scopes[:1] * 4
    assert scopes[0]["query_string"] == b"a=1"
    assert ast.literal_eval(last)["query_string"] == b"a=2"


def test_others_may_come_between(quiet: Server) -> None:
    hello, length = get("/hello"), post("/length", b"xyz")
    parts = [hello, hello, hello, length, hello, length, hello, get("/hello", CLOSE)]
    words = ["hello", "hello", "hello", "3", "hello", "3", "hello", "hello"]
    assert answers(quiet, *parts) == words


def test_an_empty_line_before_each_is_still_skipped(quiet: Server) -> None:
    hello = get("/hello")
    parts = [hello, hello, hello, b"\r\n", hello, b"\r\n", hello, b"\r\n", get("/hello", CLOSE)]
    assert answers(quiet, *parts) == ["hello"] * 6


def test_pipelined_ones_keep_their_turn(quiet: Server) -> None:
    hello = get("/hello")
    burst = hello + post("/length", b"xyz") + hello
    with quiet.address.connect() as client:
        for _ in range(3):
            client.sendall(hello)
            assert b"hello" in client.recv(65536)
        client.sendall(burst + hello + burst + get("/hello", CLOSE))
        texts = [reply.text for reply in parse_all(read_all(client))]
    assert texts == ["hello", "3", "hello", "hello", "hello", "3", "hello", "hello"]


def test_each_has_its_line_in_the_access_log(serve: Serve) -> None:
    log = ("--access-logfile=-", "--access-logformat=%(s)s %(B)s %(r)s")
    server = serve("--worker-class=asgi", *log, "repeated:app", cwd=APPS)
    hello = get("/hello?repeated")
    assert answers(server, hello, hello, hello, get("/hello", CLOSE)) == ["hello"] * 4
    server.stop()
    assert server.output.count("200 5 GET /hello?repeated HTTP/1.1\n") == 3


def test_the_last_one_closes(quiet: Server) -> None:
    assert answers(quiet, get("/hello"), get("/hello"), get("/hello", CLOSE)) == ["hello"] * 3
