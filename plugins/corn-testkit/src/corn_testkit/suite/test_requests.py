"""The application gets the environ and the body that PEP 3333 promises."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

import pytest

from corn_testkit.candidate import Candidate, Start, Subject
from corn_testkit.client import parse, read_all

of_wsgi = pytest.mark.corn_lacks("asgi")


def facts(subject: Subject, fields: bytes = b"", target: bytes = b"/facts") -> dict[str, Any]:
    """Return the environ of a request."""
    sent = b"GET %b HTTP/1.1\r\nHost: x:99\r\nConnection: close\r\n%b\r\n" % (target, fields)
    found: dict[str, Any] = json.loads(parse(subject.raw(sent)).text)["wsgi"]
    return found


@of_wsgi
def test_environ_of_the_request(shared: Subject) -> None:
    """The environ describes the request as PEP 3333 says."""
    fields = b"X-Two: 1\r\nX-Two: 2\r\nX_Under: no\r\nCookie: a=1\r\nCookie: b=2\r\n"
    wsgi = facts(shared, fields, b"/facts?a=b%20c")
    assert wsgi["REQUEST_METHOD"] == "GET"
    assert (wsgi["SCRIPT_NAME"], wsgi["PATH_INFO"]) == ("", "/facts")
    assert (wsgi["QUERY_STRING"], wsgi["RAW_URI"]) == ("a=b%20c", "/facts?a=b%20c")
    assert (wsgi["HTTP_HOST"], wsgi["SERVER_PROTOCOL"]) == ("x:99", "HTTP/1.1")
    assert wsgi["SERVER_PORT"] == str(shared.address.port)
    assert wsgi["REMOTE_ADDR"] == "127.0.0.1" and int(wsgi["REMOTE_PORT"])
    assert wsgi["HTTP_X_TWO"].replace(" ", "") == "1,2"
    assert wsgi["HTTP_COOKIE"] == "a=1; b=2"
    assert not wsgi.get("CONTENT_LENGTH")
    assert "HTTP_X_UNDER" not in wsgi, "it could pose as X-Under"


@of_wsgi
def test_absolute_target_names_the_host(shared: Subject) -> None:
    """The authority of a target in absolute-form takes the place of the Host field."""
    wsgi = facts(shared, target=b"http://other.example/facts?x")
    assert (wsgi["PATH_INFO"], wsgi["QUERY_STRING"]) == ("/facts", "x")
    assert wsgi["HTTP_HOST"] == "other.example"


@of_wsgi
def test_environ_of_the_server(shared: Subject, candidate: Candidate) -> None:
    """The environ says whether the worker has threads, other processes, and TLS."""
    wsgi = facts(shared)
    assert wsgi["wsgi.multithread"] is candidate.multithread
    assert wsgi["wsgi.multiprocess"] is True, "a reload or TTIN may make it true at any time"
    assert wsgi["wsgi.run_once"] is False
    assert wsgi["wsgi.url_scheme"] == "http"
    assert wsgi["wsgi.input_terminated"] is True


@of_wsgi
def test_validator_is_content(start: Start) -> None:
    """wsgiref's validator finds nothing that PEP 3333 forbids.

    It stands between the server and the application.
    """
    subject = start(app="validated:app")
    assert subject.get() == "hello"
    assert subject.request(path="/large?q=100").body.count(b"\n") == 100
    body = b"line one\nline two\nthe rest of it is longer\n" + b"x" * 100
    assert subject.request("POST", "/reading", body).body.replace(b"|", b"") == body
    assert subject.raw(b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    subject.stop()


@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_large_upload(shared: Subject, framing: str) -> None:
    """A large body reaches the application whole."""
    body = b"".join(b"%1023d\n" % number for number in range(8 * 1024))
    headers = {"Content-Length": str(len(body))}
    if framing == "chunks":
        headers = {"Transfer-Encoding": "chunked"}
        sent = b"%x\r\n%b\r\n3\r\nend\r\n0\r\n\r\n" % (len(body), body)
        body += b"end"
    reply = shared.request("POST", "/digest", sent if framing == "chunks" else body, headers)
    assert reply.text == f"{len(body)} {sha256(body).hexdigest()}"


def test_continue_is_sent_when_it_is_waited_for(shared: Subject) -> None:
    """A client that expects 100-continue gets it before it sends the body."""
    with shared.address.connect() as client:
        client.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n"
            b"Expect: 100-continue\r\n\r\n"
        )
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hello")
        assert parse(read_all(client)).body == b"hello"


def test_continue_is_not_sent_to_http_1_0(shared: Subject) -> None:
    """An HTTP/1.0 client does not get a 100."""
    head = b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    assert shared.raw(head + b"hello").split()[1] == b"200"
