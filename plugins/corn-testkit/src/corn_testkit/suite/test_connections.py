"""Connections live as long as the worker declares."""

from __future__ import annotations

from pathlib import Path

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import get, parse, parse_all, post, read_all, read_reply
from corn_testkit.gate import Gate
from corn_testkit.waiting import open_descriptors, wait_for

GET = b"GET /mirror/%b HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /mirror/last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
KEPT = 40

keepalive = pytest.mark.corn_needs("keepalive")


@pytest.mark.corn_lacks("keepalive")
def test_connection_is_closed_after_the_response(shared: Subject) -> None:
    """A worker without keepalive says Connection: close, and closes after one response."""
    (reply,) = parse_all(shared.raw(get("/mirror/1", "Connection: keep-alive") + GET % b"2"))
    assert reply.header("Connection") == "close"
    assert reply.text == "GET /mirror/1"


@keepalive
def test_connection_carries_requests_one_after_another(shared: Subject) -> None:
    """A connection stays open for more requests until the client says Connection: close."""
    with shared.address.connect() as client:
        for number in (b"1", b"2", b"3"):
            client.sendall(GET % number)
            reply = read_reply(client)
            assert reply.body == b"GET /mirror/" + number
            assert reply.header("Connection") in (None, "keep-alive")
        client.sendall(LAST)
        assert parse(read_all(client)).header("Connection") == "close"


@keepalive
def test_http_1_0_is_kept_when_it_asks(shared: Subject) -> None:
    """An HTTP/1.0 connection stays open if the client asks for it, and only then."""
    with shared.address.connect() as client:
        client.sendall(b"GET /mirror/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert read_reply(client).header("Connection") == "keep-alive"
        client.sendall(b"GET /mirror/b HTTP/1.0\r\n\r\n")
        assert parse(read_all(client)).text == "GET /mirror/b"


@keepalive
def test_pipelined_requests_are_answered_in_order(shared: Subject) -> None:
    """Pipelined requests are answered in their order.

    They are more than a worker reads at a time.
    """
    paths = [f"/mirror/{number}" for number in range(KEPT)]
    sent = b"".join(post(path, path.encode() * 250) for path in paths)
    replies = parse_all(shared.raw(sent + LAST))
    expected = [f"POST {path}  {path * 250}" for path in paths]
    assert [reply.text for reply in replies] == [*expected, "GET /mirror/last"]


@keepalive
def test_request_that_comes_while_another_is_answered(shared: Subject, gate: Gate) -> None:
    """A request that arrives while another one is answered is answered next."""
    with shared.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        client.sendall(LAST)
        gate.open()
        first, second = parse_all(read_all(client))
    assert first.text.startswith("waited in ")
    assert second.text == "GET /mirror/last"


@keepalive
def test_chunked_response_does_not_need_the_end_of_the_connection(shared: Subject) -> None:
    """After a chunked response, the connection stays open."""
    with shared.address.connect() as client:
        for _ in range(2):
            client.sendall(b"GET /large?q=3 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert len(read_reply(client).body) == 3 * 1024


@keepalive
@pytest.mark.parametrize(("method", "path"), [("HEAD", "/"), ("GET", "/nothing")])
def test_connection_is_kept_after_no_body(shared: Subject, method: str, path: str) -> None:
    """After a response without a body, the connection stays open."""
    with shared.address.connect() as client:
        client.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert read_reply(client, method).body == b""
        client.sendall(LAST)
        assert parse(read_all(client)).text == "GET /mirror/last"


@keepalive
def test_idle_connection_is_closed_in_time(start: Start) -> None:
    """An idle connection is closed once the time of the setting keepalive has passed."""
    subject = start("--keep-alive=1", "--header-timeout=0")
    with subject.address.connect() as idle, subject.address.connect() as stray:
        idle.sendall(GET % b"")
        # A line end after a body, which old clients send, is not the beginning of a request.
        stray.sendall(post("/mirror/", b"body") + b"\r\n")
        assert parse(read_all(idle)).status == 200
        assert parse(read_all(stray)).text == "POST /mirror/  body"
    subject.stop()


@keepalive
def test_keepalive_of_0_closes(start: Start) -> None:
    """With keepalive 0, each connection is closed after its response."""
    subject = start("--keep-alive=0")
    assert parse(subject.raw(GET % b"")).header("Connection") == "close"
    subject.stop()


def test_every_descriptor_is_let_go(start: Start, tmp_path: Path) -> None:
    """A worker closes every descriptor that it opens for a client."""
    subject = start("--keep-alive=30")
    worker = subject.worker

    def visit() -> None:
        for _ in range(KEPT):
            subject.raw(b"GET / HTTP/1.0\r\n\r\n")
        clients = [subject.address.connect() for _ in range(KEPT)]
        for client in clients:
            client.sendall(GET % b"")
            assert read_reply(client).status == 200
        for client in clients:
            client.close()
        # A body that does not stay in memory, and a client that leaves in the middle of one.
        subject.request("POST", "/digest", b"x" * 2_000_000)
        with subject.address.connect() as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nabc")

    # What is opened once, such as threads and pools, is open after the first time.
    visit()
    subject.get()
    before = open_descriptors(worker)
    visit()
    wait_for(lambda: open_descriptors(worker) <= before, "the descriptors to be closed")
    subject.stop()
