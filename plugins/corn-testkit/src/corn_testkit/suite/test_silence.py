"""The heartbeat: a worker that is stuck is replaced, and one that waits is not."""

from __future__ import annotations

import os
from signal import SIGSTOP

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import read_all
from corn_testkit.waiting import wait_for


def replaced(subject: Subject, worker: int) -> None:
    """Wait until the master has replaced the worker."""
    subject.wait_for_log(rf"WORKER TIMEOUT \(pid:{worker}\)")
    subject.wait_for_end_of(worker)
    wait_for(lambda: subject.ready() != [worker], "another worker")
    assert subject.recording.wait("child_exit").facts["reason"] == "timeout"
    assert subject.get("/pid") == str(subject.worker)


def test_process_that_stands_still(start: Start) -> None:
    """A worker process that stands still is replaced after timeout."""
    subject = start("--timeout=1")
    subject.tracebacks_expected = True
    worker = subject.worker
    # Booting has another limit: it is over when a request has been answered.
    assert subject.get("/pid") == str(worker)
    os.kill(worker, SIGSTOP)
    replaced(subject, worker)


def test_application_that_stops_everything(start: Start) -> None:
    """A worker is replaced if the application stops all of its threads or greenlets.

    If something still beats, it must not beat now.
    """
    subject = start("--timeout=1")
    subject.tracebacks_expected = True
    worker = subject.worker
    with subject.address.connect() as client:
        client.sendall(b"GET /freeze HTTP/1.1\r\nHost: x\r\n\r\n")
        subject.wait_for_log(rf"WORKER TIMEOUT \(pid:{worker}\).*handling GET /freeze")
        subject.wait_for_log(r"probe\.py.* in freeze$")
        replaced(subject, worker)
        assert client.recv(1) == b""


@pytest.mark.corn_lacks("long-requests")
def test_application_that_holds_its_worker(start: Start) -> None:
    """A worker without long-requests is aborted if a request takes longer than timeout."""
    subject = start("--timeout=1")
    subject.tracebacks_expected = True
    worker = subject.worker
    with subject.address.connect() as client:
        client.sendall(b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n")
        subject.wait_for_log(rf"WORKER TIMEOUT \(pid:{worker}\).*handling GET /hold")
        subject.recording.wait("worker_abort", pid=worker)
        replaced(subject, worker)
        assert client.recv(1) == b""


@pytest.mark.corn_needs("long-requests")
def test_request_may_take_longer_than_timeout(start: Start) -> None:
    """With long-requests, a request may take longer than timeout."""
    subject = start("--timeout=1")
    worker = subject.worker
    assert subject.get("/sleep?q=5") == f"slept in {worker}"
    subject.stop()
    assert "WORKER TIMEOUT" not in subject.log


def test_waiting_is_not_silence(start: Start) -> None:
    """A worker that waits for clients calls notify, and outlives its timeout.

    A client's own timeout tells the time.
    """
    subject = start("--timeout=1", "--header-timeout=3")
    worker = subject.worker
    with subject.address.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        assert b" 408 " in read_all(client)
    assert subject.workers() == [worker]
    subject.stop()
    assert "WORKER TIMEOUT" not in subject.log
