"""The body of a request is on its way while the application asks for it, part by part."""

from __future__ import annotations

import socket
from hashlib import sha256

import pytest

from corn_testkit.asgi.clients import held, says_nothing, send_until_stopped
from corn_testkit.asgi.told import Told
from corn_testkit.candidate import Subject
from corn_testkit.client import get, parse, parse_all, post, read_all, receive_until
from corn_testkit.waiting import wait_for

pytestmark = pytest.mark.corn_needs("asgi")

CLOSE = "Connection: close"
CHUNKED = "Transfer-Encoding: chunked"


def test_parts_are_received_as_they_arrive(exchange: Subject) -> None:
    """The application receives a part of the body before the client has sent the next one."""
    with exchange.address.connect() as client:
        client.sendall(get("/echo", CHUNKED, CLOSE))
        for part in (b"one", b"two", b"three"):
            client.sendall(b"%x\r\n%b\r\n" % (len(part), part))
            receive_until(client, b"%x\r\n%b\r\n" % (len(part), part))
        client.sendall(b"0\r\n\r\n")
        assert read_all(client) == b"0\r\n\r\n"


def test_body_octet_by_octet(exchange: Subject) -> None:
    """A body is received whole, in whichever pieces it arrives."""
    data = get("/echo", CHUNKED, CLOSE) + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: x\r\n\r\n"
    with exchange.address.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for index in range(len(data)):
            client.sendall(data[index : index + 1])
        assert parse(read_all(client)).text == "abcde"


def test_large_body_both_ways(exchange: Subject) -> None:
    """A large body that the application sends back while it receives it arrives whole."""
    body = b"".join(b"%1023d\n" % number for number in range(4096))
    received = exchange.request("POST", "/echo", body).body
    assert sha256(received).hexdigest() == sha256(body).hexdigest()


def test_continue_is_sent_when_the_body_is_asked_for(exchange: Subject, told: Told) -> None:
    """A client that expects 100-continue gets it when the application first calls receive."""
    head = post("/late?continue", b"12345", "Expect: 100-continue", CLOSE)[:-5]
    with held(exchange, told, head, "holds") as client:
        assert says_nothing(client)
        exchange.get("/go?continue")
        assert receive_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"12345")
        assert parse(read_all(client)).text == "5"


def test_continue_is_not_sent_for_a_body_that_is_not_wanted(exchange: Subject) -> None:
    """If the application does not ask for the body, there is no 100, and the connection closes."""
    reply = exchange.raw(post("/hello", b"12345", "Expect: 100-continue")[:-5])
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert parse(reply).header("Connection") == "close"


@pytest.mark.corn_needs("keepalive")
def test_body_that_was_not_taken_is_skipped(exchange: Subject) -> None:
    """A body that the application has not taken is skipped, and not read as the next request."""
    body = get("/length") * 1000
    replies = parse_all(exchange.raw(post("/hello", body) + get("/hello", CLOSE)))
    assert [reply.text for reply in replies] == ["hello", "hello"]


def test_body_that_turns_bad_is_told_to_both(exchange: Subject, told: Told) -> None:
    """If a body turns out to be malformed, the client gets a 400 and the application a disconnect.

    It is in the application by then, so that it has its access line too.
    """
    lines = exchange.output.count("400 ")
    reply = parse(exchange.raw(get("/length", CHUNKED) + b"1\r\na\r\nX\r\n"))
    assert reply.status == 400
    assert reply.header("Connection") == "close"
    told.wait("disconnect in the body")
    wait_for(lambda: exchange.output.count("400 ") == lines + 1, "its access line")


def test_body_beyond_the_limit_is_told_to_both(limited: Subject) -> None:
    """If a body turns out to be too long, the client gets a 413 and post_request is called."""
    calls = len(limited.recording.of("post_request"))
    sent = get("/echo", CHUNKED) + b"3e9\r\n" + b"z" * 1001
    assert parse(limited.raw(sent)).status == 413
    facts = limited.recording.wait("post_request", calls + 1).facts
    assert str(facts["status"]).startswith("413")


def test_body_that_breaks_off_is_a_disconnect(exchange: Subject, told: Told) -> None:
    """A body that breaks off is a disconnect to the application, which is not blamed for it."""
    since = len(exchange.log)
    with exchange.address.connect() as client:
        client.sendall(post("/length", b"x" * 100)[:-50])
        client.shutdown(socket.SHUT_WR)
        told.wait("disconnect in the body")
        assert client.recv(1) == b""
    assert "[ERROR]" not in exchange.log[since:]


def test_application_that_does_not_receive_stops_the_client(exchange: Subject, told: Told) -> None:
    """While the application does not receive, a client can send only so much."""
    size = 32 * 1024 * 1024
    head = f"POST /late?stop HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n{CLOSE}\r\n\r\n"
    with held(exchange, told, head.encode(), "holds") as client:
        body = memoryview(bytes(size))
        sent = send_until_stopped(client, body)
        assert sent < size / 2, "all of it is in memory somewhere"
        exchange.get("/go?stop")
        client.sendall(body[sent:])
        assert parse(read_all(client)).text == str(size)
