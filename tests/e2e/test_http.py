"""HTTP and WSGI as a client sees them, on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from corn_testkit.client import parse, parse_all, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("server"), ["--bind=127.0.0.1:0", "probe:app"])
    try:
        yield running.started()
        running.stop()
    finally:
        running.kill()
    running.check_log()


def environ(server: Server, request: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parse(server.raw(request)).text)["wsgi"]
    return found


def test_connection_is_closed_after_the_response(server: Server) -> None:
    received = server.raw(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n")
    (reply,) = parse_all(received)
    assert reply.header("Connection") == "close"


def test_head_of_a_response(server: Server) -> None:
    reply = parse(server.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert reply.header("Server") == "corn"
    assert (
        reply.header(
            "Date",
        )
        is not None
    )
    assert reply.header("Content-Length") == "5"
    assert reply.header("Transfer-Encoding") is None


def test_second_of_two_pipelined_requests_is_not_answered(server: Server) -> None:
    received = server.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    assert len(parse_all(received)) == 1


def test_chunked_both_ways(server: Server) -> None:
    received = server.raw(
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5;name=value\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nX-Trailer: 1\r\n\r\n"
    )
    reply = parse(received)
    assert reply.body == b"hello world"


def test_stream_to_http_1_1_is_chunked(server: Server) -> None:
    received = server.raw(b"GET /large?q=3 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert parse(received).header("Transfer-Encoding") == "chunked"
    assert received.endswith(b"\r\n0\r\n\r\n")
    assert len(parse(received).body) == 3 * 1024


def test_stream_to_http_1_0_ends_with_the_connection(server: Server) -> None:
    reply = parse(server.raw(b"GET /large?q=3 HTTP/1.0\r\n\r\n"))
    assert reply.header("Transfer-Encoding") is None
    assert len(reply.body) == 3 * 1024


@pytest.mark.parametrize("path", ["/", "/large?q=3", "/missing", "/echo"])
def test_head_has_no_body(server: Server, path: str) -> None:
    received = server.raw(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert received.endswith(b"\r\n\r\n")
    assert received.count(b"\r\n\r\n") == 1


def test_continue_is_sent_when_it_is_waited_for(server: Server) -> None:
    with server.address.connect() as client:
        client.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
        interim = client.recv(1000)
        assert interim == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert parse(read_all(client)).body == b"hello"


def test_continue_is_not_sent_to_http_1_0(server: Server) -> None:
    received = server.raw(
        b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello"
    )
    assert received.split()[1] == b"200"


def test_early_hints(server: Server) -> None:
    received = server.raw(b"GET /hint HTTP/1.1\r\nHost: x\r\n\r\n")
    interim, _, rest = received.partition(b"\r\n\r\n")
    assert interim.startswith(b"HTTP/1.1 103 ")
    assert b"\r\nLink: </style.css>; rel=preload" in interim
    assert parse(rest).text == "hinted"


def test_no_early_hints_to_http_1_0(server: Server) -> None:
    received = server.raw(b"GET /hint HTTP/1.0\r\n\r\n")
    assert received.split()[1] == b"200"


def test_environ_of_a_request(server: Server) -> None:
    wsgi = environ(
        server,
        b"GET /facts?a=b%20c HTTP/1.1\r\nHost: shop.example:99\r\nX-Two: 1\r\nX-Two: 2\r\n"
        b"Cookie: a=1\r\nCookie: b=2\r\n\r\n",
    )
    assert wsgi["REQUEST_METHOD"] == "GET"
    assert (wsgi["SCRIPT_NAME"], wsgi["PATH_INFO"]) == ("", "/facts")
    assert (wsgi["QUERY_STRING"], wsgi["RAW_URI"]) == ("a=b%20c", "/facts?a=b%20c")
    assert wsgi["HTTP_HOST"] == "shop.example:99"
    assert wsgi["SERVER_PORT"] == str(server.address.port)
    assert wsgi["HTTP_X_TWO"].replace(" ", "") == "1,2"
    assert wsgi["HTTP_COOKIE"] == "a=1; b=2"
    assert (wsgi["wsgi.multithread"], wsgi["wsgi.multiprocess"]) == (False, True)
    assert wsgi["wsgi.input_terminated"] is True
    assert "CONTENT_LENGTH" not in wsgi or wsgi["CONTENT_LENGTH"] == ""


def test_underscores_cannot_pose_as_hyphens(server: Server) -> None:
    request = b"GET /facts HTTP/1.1\r\nHost: x\r\nX_Forwarded_For: evil\r\nX-Good: yes\r\n\r\n"
    wsgi = environ(server, request)
    assert "HTTP_X_FORWARDED_FOR" not in wsgi
    assert wsgi["HTTP_X_GOOD"] == "yes"


def test_absolute_target(server: Server) -> None:
    request = b"GET http://other.example/facts?x HTTP/1.1\r\nHost: x\r\n\r\n"
    wsgi = environ(server, request)
    assert (wsgi["PATH_INFO"], wsgi["QUERY_STRING"]) == ("/facts", "x")
    assert wsgi["HTTP_HOST"] == "other.example"


@pytest.mark.parametrize(
    ("field", "scheme"),
    [
        (b"X-Forwarded-Proto: https", "https"),
        (b"X-Forwarded-Protocol: ssl", "https"),
        (b"X-Forwarded-Ssl: on", "https"),
        (b"X-Forwarded-Proto: http", "http"),
        (b"X-Other: https", "http"),
    ],
)
def test_scheme_from_a_trusted_proxy(server: Server, field: bytes, scheme: str) -> None:
    wsgi = environ(server, b"GET /facts HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % field)
    assert wsgi["wsgi.url_scheme"] == scheme


def test_contradictory_schemes_are_refused(server: Server) -> None:
    received = server.raw(
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n"
    )
    assert parse(received).status == 400


def test_scheme_from_anybody_else_is_ignored(serve: Serve) -> None:
    server = serve("--forwarded-allow-ips=10.0.0.1", "probe:app")
    wsgi = environ(server, b"GET /facts HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\n\r\n")
    assert wsgi["wsgi.url_scheme"] == "http"
    server.stop()


def test_forwarded_allow_ips_variable(serve: Serve) -> None:
    server = serve("probe:app", env={"FORWARDED_ALLOW_IPS": "10.0.0.1"})
    wsgi = environ(server, b"GET /facts HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: https\r\n\r\n")
    assert wsgi["wsgi.url_scheme"] == "http"
    server.stop()


def test_script_name(serve: Serve) -> None:
    server = serve("probe:app", env={"SCRIPT_NAME": "/shop"})
    wsgi = environ(server, b"GET /shop/facts HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (wsgi["SCRIPT_NAME"], wsgi["PATH_INFO"]) == ("/shop", "/facts")
    server.stop()


def test_wsgiref_validator_is_content(serve: Serve) -> None:
    server = serve("validated:app")
    assert server.get() == "hello"
    assert server.request(path="/missing").status == 404
    assert len(server.request(path="/large?q=100").body) == 100 * 1024
    body = b"line one\nline two\nthe rest of it is longer\n" + b"x" * 100
    read = server.request("POST", "/reading", body).body
    assert read.startswith(b"line one\n|line two\n|the res|t of it")
    assert read.replace(b"|", b"") == body
    head = server.raw(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    server.wait_for_log("read it all")
    server.stop()
