"""Requests beyond the limits get their status, and a closed connection."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from corn_testkit.candidate import Subject
from corn_testkit.client import parse, read_all
from corn_testkit.waiting import wait_for

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 200), 414, id="line"),
        pytest.param(HEAD + b"X: y\r\n" * 10 + b"\r\n", 431, id="fields"),
        pytest.param(HEAD + b"X: " + b"y" * 300 + b"\r\n\r\n", 431, id="field size"),
        pytest.param(POST + b"Content-Length: 1001\r\n\r\n", 413, id="body"),
        pytest.param(
            POST + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"z" * 1001,
            413,
            id="chunks",
            # The application reads such a body as it comes: see test_asgi_bodies.
            marks=pytest.mark.corn_lacks("asgi"),
        ),
    ],
)
def test_limit(limited: Subject, sent: bytes, status: int) -> None:
    """A request beyond a limit gets its status, an access line, and a closed connection."""
    requests = len(limited.recording.of("pre_request"))
    refused = len(limited.recording.of("request_refused"))
    reply = parse(limited.raw(sent))
    assert reply.status == status
    assert reply.header("Connection") == "close"
    assert limited.recording.wait("request_refused", refused + 1).facts == {"status": status}
    wait_for(lambda: f"{status} " in limited.output, "the access line")
    assert len(limited.recording.of("pre_request")) == requests, "the application was called"


def test_just_within_the_limits(limited: Subject) -> None:
    """A request just within the limits is served."""
    line = b"GET /mirror/%b HTTP/1.1" % (b"a" * 179)
    assert len(line) == 199 or len(line) == 200
    assert parse(limited.raw(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")).status == 200
    fields = b"X: %b\r\n" % (b"y" * 295) + b"X: y\r\n" * 7 + b"Connection: close\r\n"
    assert parse(limited.raw(HEAD + fields + b"\r\n")).status == 200
    body = b"z" * 1000
    sent = POST + b"Content-Length: 1000\r\nConnection: close\r\n\r\n" + body
    assert parse(limited.raw(sent)).body == body
    sent = POST + b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    assert parse(limited.raw(sent + b"3e8\r\n" + body + b"\r\n0\r\n\r\n")).body == body


def test_refusal_reaches_a_client_that_is_still_sending(limited: Subject) -> None:
    """A refusal reaches a client that is still sending.

    Closing with unread input resets the connection, which can destroy the response.
    """
    sent = POST + b"Content-Length: 500000\r\n\r\n" + b"z" * 500_000
    assert parse(limited.raw(sent)).status == 413


def test_client_that_takes_too_long(limited: Subject) -> None:
    """A client that takes too long within a request gets a 408.

    Within the head, within the body, within a chunk; before the first byte it is just closed.
    """
    slow = [b"GET / HT", HEAD, HEAD + b"X-Slow: ", POST + b"Content-Length: 9\r\n\r\nhello"]
    slow.append(POST + b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello")
    with ExitStack() as stack:
        clients = [stack.enter_context(limited.address.connect()) for _ in (*slow, None)]
        for client, sent in zip(clients, slow, strict=False):
            client.sendall(sent)
        received = [read_all(client) for client in clients]
    assert [parse(data).status for data in received[:-1]] == [408] * len(slow)
    assert received[-1] == b""
