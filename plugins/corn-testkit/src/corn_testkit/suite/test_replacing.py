"""Workers are replaced, by max_requests and by HUP, and no request is lost."""

from __future__ import annotations

from functools import partial
from signal import SIGHUP

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import read_reply
from corn_testkit.gate import Gate
from corn_testkit.traffic import traffic
from corn_testkit.waiting import alive, wait_for

GET = b"GET /pid HTTP/1.1\r\nHost: x\r\n\r\n"


def greeted(subject: Subject) -> None:
    assert subject.get().startswith("hello")


def test_worker_is_replaced_after_its_requests(start: Start) -> None:
    """A worker is replaced after max_requests: it calls request_done for each request."""
    subject = start("--max-requests=5")
    first = subject.worker
    assert [subject.get("/pid") for _ in range(5)] == [str(first)] * 5
    subject.wait_for_log("Autorestarting worker after current request")
    subject.wait_for_end_of(first)
    exits = subject.recording.wait("child_exit").facts
    assert (exits["worker"], exits["status"], exits["reason"]) == (first, 0, "requests")
    assert subject.get("/pid") != str(first)
    subject.stop()


def test_no_request_is_lost_when_workers_retire(start: Start) -> None:
    """No request is lost while workers are replaced at max_requests."""
    subject = start("--max-requests=20", workers=2)
    with traffic(partial(greeted, subject)):
        subject.recording.wait("child_exit", 3)
    # A worker that is stopped while it still imports leaves files open, and says so.
    subject.ready(2)
    subject.stop()


@pytest.mark.corn_needs("keepalive")
def test_kept_connection_ends_with_its_worker(start: Start) -> None:
    """A worker that is replaced says Connection: close on the connections that it has kept."""
    subject = start("--max-requests=3", "--keep-alive=600")
    first = subject.worker
    with subject.address.connect() as client:

        def last() -> bool:
            client.sendall(GET)
            reply = read_reply(client)
            assert reply.text == str(first)
            return reply.header("Connection") == "close"

        # It serves until its replacement is ready.
        wait_for(last, "the last response on this connection")
        assert client.recv(1) == b""
    subject.wait_for_end_of(first)
    subject.stop()


def reload(subject: Subject) -> None:
    old = subject.ready(2)
    subject.signal(SIGHUP)
    wait_for(lambda: not any(map(alive, old)), "the old workers to end")


def test_reload_under_traffic(start: Start) -> None:
    """No request is lost during a reload."""
    subject = start(workers=2)
    with traffic(partial(greeted, subject)):
        reload(subject)
        reload(subject)
    subject.stop()


def test_reload_lets_a_request_finish(start: Start, gate: Gate) -> None:
    """After a reload the new worker takes new requests while the old one finishes its own."""
    subject = start()
    old = subject.worker
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        subject.signal(SIGHUP)
        # Both accept until the old one has heard that it is replaced.
        wait_for(
            lambda: str(old) not in {subject.get("/pid") for _ in range(10)},
            "the new worker to take all requests",
        )
        gate.open()
        assert read_reply(client).text == f"waited in {old}"
    subject.wait_for_end_of(old)
    subject.stop()
