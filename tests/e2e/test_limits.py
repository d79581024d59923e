"""Requests beyond the limits get their status, a closed connection and an access line."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from corn_testkit.client import parse, parse_all, read_all
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server, one worker, small limits; it outlives every bad request."""
    arguments = [
        *("--bind=127.0.0.1:0", "--access-logfile=-", "--access-logformat=%(r)s|%(s)s|%(p)s"),
        *("--limit-request-line=200", "--limit-request-fields=10"),
        *("--limit-request-field_size=300", "--limit-request-body=1000"),
        *("--header-timeout=1", "--body-timeout=1", "probe:app"),
    ]
    running = Server(tmp_path_factory.mktemp("server"), arguments)
    try:
        (worker,) = running.started().wait_for_workers(1)
        yield running
        assert running.workers() == [worker]
        running.stop()
    finally:
        running.kill()
    running.check_log()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 200), 414, id="line"),
        pytest.param(HEAD + b"X: y\r\n" * 10 + b"\r\n", 431, id="fields"),
        pytest.param(HEAD + b"X: " + b"y" * 300 + b"\r\n\r\n", 431, id="field size"),
        pytest.param(POST + b"Content-Length: 1001\r\n\r\n", 413, id="body"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"z" * 1001, 413, id="chunked"
        ),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, id="tls"),
        pytest.param(HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400, id="lengths"),
        pytest.param(HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, id="coding"),
        pytest.param(b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 505, id="version"),
        pytest.param(HEAD + b"Expect: a miracle\r\n\r\n", 417, id="expect"),
    ],
)
def test_bad_request_is_refused(server: Server, request_: bytes, status: int) -> None:
    lines = len(server.output.splitlines())
    reply = parse(server.raw(request_))
    assert reply.status == status
    assert reply.header("Connection") == "close"
    assert server.get() == "hello"
    wait_for(lambda: len(server.output.splitlines()) == lines + 2, "both access lines")
    assert server.output.splitlines()[lines].split("|")[1] == str(status)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 150), id="line"),
        pytest.param(HEAD + b"X: y\r\n" * 9 + b"\r\n", id="fields"),
        pytest.param(HEAD + b"X: " + b"y" * 250 + b"\r\n\r\n", id="field size"),
        pytest.param(POST + b"Content-Length: 1000\r\n\r\n" + b"z" * 1000, id="body"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"z" * 1000 + b"\r\n0\r\n\r\n",
            id="chunked",
        ),
    ],
)
def test_request_within_the_limits_is_served(server: Server, request_: bytes) -> None:
    assert parse(server.raw(request_)).status in (200, 404)


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(b"GET / HT", id="line"),
        pytest.param(HEAD + b"X-Slow: ", id="field"),
        pytest.param(POST + b"Content-Length: 10\r\n\r\nhalf", id="body"),
        pytest.param(POST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nab", id="chunk"),
    ],
)
def test_unfinished_request_times_out(server: Server, beginning: bytes) -> None:
    with server.address.connect() as client:
        client.sendall(beginning)
        assert parse(read_all(client)).status == 408


def test_silent_connection_is_closed_without_a_word(server: Server) -> None:
    with server.address.connect() as client:
        assert client.recv(1) == b""


def test_refusal_reaches_a_client_that_is_still_sending(server: Server) -> None:
    """Closing with unread input resets the connection, which can destroy the response."""
    with server.address.connect() as client:
        client.sendall(POST + b"Content-Length: 500000\r\n\r\n" + b"z" * 500_000)
        assert parse(read_all(client)).status == 413


def test_truncated_body_never_reaches_the_application(server: Server) -> None:
    with server.address.connect() as client:
        client.sendall(POST + b"Content-Length: 10\r\n\r\nhalf")
        client.shutdown(socket.SHUT_WR)
        received = read_all(client)
    assert [reply.status for reply in parse_all(received)] == [400]
