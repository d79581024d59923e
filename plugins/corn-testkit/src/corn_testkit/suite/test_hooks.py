"""Hooks fire for each request, in order, in the worker, whatever becomes of the request."""

from __future__ import annotations

import http.client
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGABRT, SIGQUIT, Signals
from urllib.parse import quote

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.waiting import wait_for

IN_WORKER = {"post_fork", "post_worker_init", "pre_request", "post_request", "worker_exit"}


def concluded(subject: Subject, path: str) -> dict[str, object]:
    """Return what post_request saw of the only request, once pre_request has come before it."""
    facts = subject.recording.wait("post_request").facts
    names = [name for name in subject.recording.names if name.endswith("_request")]
    assert names == ["pre_request", "post_request"]
    assert facts["path"] == path
    return facts


def test_order_and_process_of_a_whole_life(start: Start) -> None:
    """Each hook is called in its order, and in its process."""
    subject = start()
    worker = subject.worker
    assert subject.get("/pid") == str(worker)
    subject.recording.wait("post_request")
    subject.stop()
    names = [name for name in subject.recording.names if name != "nworkers_changed"]
    assert names == [
        *("on_starting", "when_ready", "pre_fork", "post_fork", "post_worker_init"),
        *("pre_request", "post_request", "worker_exit", "child_exit", "on_exit"),
    ]
    for call in subject.recording.calls:
        assert call.pid == (worker if call.hook in IN_WORKER else subject.pid), call


def test_arguments(start: Start) -> None:
    """The request hooks get the request, its environ and its response."""
    subject = start()
    subject.request("GET", "/mirror/?a=1", headers={"X-One": "two"})
    facts = concluded(subject, "/mirror/")
    assert facts == {"path": "/mirror/", "status": "200 OK", "environ": True, "timed": True}
    request = subject.recording.of("pre_request")[0].facts
    assert (request["method"], request["uri"]) == ("GET", "/mirror/?a=1")
    assert (request["path"], request["query"]) == ("/mirror/", "a=1")
    assert request["headers"]["X-ONE"] == "two"
    subject.stop()


def test_application_that_fails_before_its_response(start: Start) -> None:
    """If the application raises before its response, post_request is called with a 500."""
    subject = start()
    subject.tracebacks_expected = True
    assert subject.request(path="/fail").status == 500
    assert str(concluded(subject, "/fail")["status"]).startswith("500")
    subject.wait_for_log("the application has failed")
    assert subject.get() == "hello"


def test_application_that_fails_within_its_response(start: Start) -> None:
    """If the application raises within its response, post_request is called all the same."""
    subject = start()
    subject.tracebacks_expected = True
    with pytest.raises(http.client.IncompleteRead):
        subject.request(path="/fail-late")
    assert concluded(subject, "/fail-late")["status"] == "200 OK"
    subject.wait_for_log("the application has failed late")
    assert subject.get() == "hello"


def test_pre_request_that_fails(start: Start) -> None:
    """If pre_request raises, the client gets a 500 and post_request is called."""
    subject = start()
    subject.tracebacks_expected = True
    assert subject.request(headers={"X-Refuse": "yes"}).status == 500
    concluded(subject, "/")
    subject.wait_for_log("pre_request refuses")
    assert subject.get() == "hello"


def test_client_that_leaves_within_the_response(start: Start, tmp_path: Path) -> None:
    """If the client leaves, the response is closed and post_request is called."""
    subject = start("--limit-response-spool=0")
    mark = tmp_path / "mark"
    with subject.address.connect() as client:
        path = f"/closing?q={quote(str(mark))}&count=65536"
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert client.recv(1)
        # A reset, and not an orderly end.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    concluded(subject, "/closing")
    # It exists before its text is written.
    wait_for(lambda: mark.exists() and mark.read_text() == "closed\n", "the response to be closed")
    assert subject.get() == "hello"
    subject.stop()


def test_request_that_is_refused(start: Start) -> None:
    """request_refused is called for a malformed request, and the request hooks are not."""
    subject = start()
    assert b" 400 " in subject.raw(b"NONSENSE\r\n\r\n")
    assert subject.recording.wait("request_refused").facts == {"status": 400}
    assert subject.recording.of("pre_request") == subject.recording.of("post_request") == []
    subject.stop()


def test_many_requests_have_a_pair_each(start: Start) -> None:
    """pre_request and post_request are called once for each of many requests."""
    subject = start()
    paths = [f"/mirror/{number}" for number in range(60)]
    with ThreadPoolExecutor(6) as clients:
        assert list(clients.map(subject.get, paths)) == [f"GET {path}" for path in paths]
    subject.recording.wait("post_request", 60)
    begun = [call.facts["path"] for call in subject.recording.of("pre_request")]
    ended = [call.facts["path"] for call in subject.recording.of("post_request")]
    assert sorted(begun) == sorted(ended) == sorted(paths)
    subject.stop()


@pytest.mark.parametrize(
    ("number", "hook", "status"), [(SIGQUIT, "worker_int", 0), (SIGABRT, "worker_abort", 1)]
)
def test_signals_to_a_worker(start: Start, number: Signals, hook: str, status: int) -> None:
    """A worker that gets QUIT or ABRT calls its hook, then worker_exit, and is replaced."""
    subject = start()
    subject.tracebacks_expected = True
    worker = subject.worker
    os.kill(worker, number)
    subject.recording.wait("child_exit")
    names = [call.hook for call in subject.recording.calls if call.pid == worker]
    assert names == ["post_fork", "post_worker_init", hook, "worker_exit"]
    assert subject.recording.of("child_exit")[0].facts["status"] == status
    (other,) = wait_for(lambda: set(subject.ready()) - {worker}, "another worker")
    assert subject.get("/pid") == str(other)
    subject.stop()
