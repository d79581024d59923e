"""Responses are framed so that a client knows where they end."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import quote

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import parse, read_all

CLOSE = "Host: x\r\nConnection: close\r\n\r\n"


def ask(subject: Subject, path: str, method: str = "GET", version: str = "1.1") -> bytes:
    """Return all that comes back, on a connection that is closed afterwards."""
    return subject.raw(f"{method} {path} HTTP/{version}\r\n{CLOSE}".encode())


def test_known_length(shared: Subject) -> None:
    """A response of known length has a Content-Length, a Date and a Server."""
    reply = parse(ask(shared, "/"))
    assert reply.status == 200
    assert reply.header("Content-Length") == "5"
    assert reply.header("Transfer-Encoding") is None
    assert reply.header("Date") and reply.header("Server")
    assert reply.body == b"hello"


def test_unknown_length_is_chunked(shared: Subject) -> None:
    """A response of unknown length is chunked."""
    received = ask(shared, "/large?q=3")
    reply = parse(received)
    assert reply.header("Transfer-Encoding") == "chunked"
    assert reply.header("Content-Length") is None
    assert received.endswith(b"\r\n0\r\n\r\n")
    assert len(reply.body) == 3 * 1024


def test_unknown_length_to_http_1_0_ends_with_the_connection(shared: Subject) -> None:
    """To HTTP/1.0, a response of unknown length ends with the connection."""
    reply = parse(ask(shared, "/large?q=3", version="1.0"))
    assert reply.header("Transfer-Encoding") is None
    assert len(reply.body) == 3 * 1024


@pytest.mark.parametrize("path", ["/", "/large?q=3", "/nowhere", "/closing?q=/dev/null&count=1"])
def test_head_has_no_body(shared: Subject, path: str) -> None:
    """The response to HEAD has no body."""
    received = ask(shared, path, "HEAD")
    assert received.endswith(b"\r\n\r\n")
    assert received.count(b"\r\n\r\n") == 1


@pytest.mark.parametrize(("path", "status"), [("/nothing", 204), ("/unchanged", 304)])
def test_status_without_a_body(shared: Subject, path: str, status: int) -> None:
    """A 204 and a 304 have no body and are not chunked."""
    received = ask(shared, path)
    reply = parse(received)
    assert reply.status == status
    assert reply.header("Transfer-Encoding") is None
    assert received.endswith(b"\r\n\r\n") and received.count(b"\r\n\r\n") == 1
    if status == 204:
        # RFC 9110 section 8.6
        assert reply.header("Content-Length") is None


@pytest.mark.corn_lacks("asgi")
def test_write_callable(shared: Subject) -> None:
    """The write callable of start_response sends what it is given, in order."""
    assert parse(ask(shared, "/write")).text == "written twice and returned"


def test_early_hints(shared: Subject) -> None:
    """Early hints are sent before the response, and not to HTTP/1.0."""
    interim, _, rest = ask(shared, "/hint").partition(b"\r\n\r\n")
    assert interim.startswith(b"HTTP/1.1 103 ")
    assert b"\r\nLink: </style.css>; rel=preload" in interim
    assert parse(rest).text == "hinted"
    assert ask(shared, "/hint", version="1.0").split()[1] == b"200"


def test_large_download(shared: Subject) -> None:
    """A large response reaches the client whole."""
    count = 8 * 1024
    body = shared.request(path=f"/large?q={count}").body
    assert body == b"".join(b"%1023d\n" % number for number in range(count))


def test_close_of_the_response_is_called_once(shared: Subject, tmp_path: Path) -> None:
    """The close method of a response is called once."""
    mark = tmp_path / "mark"
    reply = shared.request(path=f"/closing?q={quote(str(mark))}&count=3")
    assert len(reply.body) == 3 * 1024
    shared.recording.wait("post_request", len(shared.recording.of("pre_request")))
    assert mark.read_text() == "closed\n"


def test_less_than_announced_is_seen_by_the_client(shared: Subject) -> None:
    """A body shorter than its Content-Length is not mistaken for a whole one."""
    with pytest.raises(http.client.IncompleteRead):
        shared.request(path="/short")
    shared.wait_for_log(r"/short .*Content-Length")
    assert shared.get() == "hello"


def test_more_than_announced_is_cut(shared: Subject) -> None:
    """A body longer than its Content-Length is cut there."""
    received = ask(shared, "/long")
    assert received.endswith(b"\r\n\r\nlong")
    shared.wait_for_log(r"/long .*Content-Length")
    assert shared.get() == "hello"


def test_failure_within_a_body_is_seen_by_the_client(start: Start) -> None:
    """A response that fails midway is not mistaken for a whole one."""
    subject = start()
    subject.tracebacks_expected = True
    with subject.address.connect() as client:
        client.sendall(b"GET /fail-chunked HTTP/1.1\r\nHost: x\r\n\r\n")
        received = read_all(client)
    assert received.endswith(b"half\r\n"), "a last chunk would make it a whole response"
    with subject.address.connect() as client:
        # Here the end of the connection would make it one (RFC 9112 section 6.3).
        client.sendall(b"GET /fail-chunked HTTP/1.0\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            while client.recv(65536):
                pass
    assert subject.get() == "hello"
