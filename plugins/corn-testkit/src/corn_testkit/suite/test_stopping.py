"""TERM finishes what has begun, and answers what has connected; QUIT does not wait."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from signal import SIGABRT, SIGINT, SIGQUIT, SIGTERM, Signals

import pytest

from corn_testkit.candidate import Candidate, Start
from corn_testkit.client import listens, parse, read_all, read_reply
from corn_testkit.gate import Gate
from corn_testkit.waiting import listening, wait_for

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
TERM_SEEN = "Handling signal: term"

ABRUPT = {"PYTHONWARNINGS": "ignore"}
"""The worker ends within a request: no warning of sockets that it did not close."""


def test_term_finishes_the_request_in_flight(start: Start, gate: Gate) -> None:
    """TERM lets the request in flight finish."""
    subject = start()
    worker = subject.worker
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        subject.signal(SIGTERM)
        subject.wait_for_log(TERM_SEEN)
        gate.open()
        assert parse(read_all(client)).text == f"waited in {worker}"
    subject.wait()
    assert [call.hook for call in subject.recording.calls if call.pid == worker][-2:] == [
        "post_request",
        "worker_exit",
    ]
    assert subject.recording.of("child_exit")[0].facts["status"] == 0


def test_term_waits_for_a_body_that_is_on_its_way(start: Start) -> None:
    """TERM lets a request finish whose body is still on its way."""
    subject = start()
    with subject.address.connect() as client:
        client.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhel")
        # A later connection has been served: the worker has read from this one before.
        assert subject.get() == "hello"
        subject.signal(SIGTERM)
        subject.wait_for_log(TERM_SEEN)
        client.sendall(b"lo")
        assert parse(read_all(client)).body == b"hello"
    subject.wait()


def test_term_answers_all_that_have_connected(
    start: Start, gate: Gate, candidate: Candidate
) -> None:
    """At the stop of the server, all clients that have connected are answered.

    No worker accepts later: a client that stayed in the backlog would be reset.
    """
    subject = start()
    assert subject.get() == "hello"
    with ExitStack() as stack:
        if "concurrency" not in candidate.capabilities:
            # The only worker is inside the application: the others are in the backlog for sure.
            first = stack.enter_context(subject.address.connect())
            first.sendall(gate.request)
            gate.entered()
        clients = [stack.enter_context(subject.address.connect()) for _ in range(60)]
        for client in clients:
            client.sendall(GET)
        subject.signal(SIGTERM)
        subject.wait_for_log(TERM_SEEN)
        gate.open()
        assert [parse(read_all(client)).text for client in clients] == ["hello"] * 60
    subject.wait()


@pytest.mark.skipif(not os.path.exists("/proc/net/tcp"), reason="Linux only")
@pytest.mark.parametrize("mode", [(), ("--reuse-port",)], ids=["shared", "reuse_port"])
def test_term_refuses_new_clients_while_a_request_is_finished(
    start: Start, gate: Gate, mode: tuple[str, ...]
) -> None:
    """After TERM new clients are refused, although a request is still being finished.

    A client that the worker does not serve any more must not be taken into the backlog.
    """
    subject = start(*mode, "--graceful-timeout=600", "--timeout=600")
    worker = subject.worker
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        subject.signal(SIGTERM)
        # Not by connecting: who is in the backlog keeps it open for the worker that takes it.
        wait_for(lambda: not listening(subject.address.port), "the port to be closed")
        with pytest.raises(ConnectionRefusedError):
            subject.address.connect()
        gate.open()
        assert parse(read_all(client)).text == f"waited in {worker}"
    subject.wait()


@pytest.mark.corn_needs("keepalive")
def test_term_closes_kept_connections(start: Start) -> None:
    """TERM closes idle connections at once."""
    subject = start("--keep-alive=600", "--graceful-timeout=600")
    with subject.address.connect() as client:
        client.sendall(GET)
        assert read_reply(client).status == 200
        subject.signal(SIGTERM)
        assert client.recv(1) == b""
    subject.wait()


@pytest.mark.corn_needs("keepalive")
def test_term_answers_what_is_on_its_way_on_a_kept_connection(start: Start) -> None:
    """After TERM, a request on a connection that was kept is answered with Connection: close.

    The client could not know of the stop, and is told with this response.
    """
    subject = start("--keep-alive=600", "--graceful-timeout=600")
    with subject.address.connect() as client:
        client.sendall(GET)
        assert read_reply(client).status == 200
        subject.signal(SIGTERM)
        subject.wait_for_log(TERM_SEEN)

        def is_told() -> bool:
            client.sendall(GET)
            reply = read_reply(client)
            assert reply.text == "hello"
            return reply.header("Connection") == "close"

        # The worker is told after the master, and may answer as before until then.
        wait_for(is_told, "a response with Connection: close")
        assert client.recv(1) == b""
    subject.wait()


@pytest.mark.corn_needs("keepalive")
def test_term_says_that_a_kept_connection_ends(
    start: Start, gate: Gate, candidate: Candidate
) -> None:
    """After TERM, the last response on a connection says Connection: close."""
    subject = start("--keep-alive=600", "--graceful-timeout=600")
    worker = subject.worker
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        os.kill(worker, SIGTERM)
        wait_for(lambda: not pending(worker, SIGTERM), "the signal to be taken")
        subject.signal(SIGTERM)
        subject.wait_for_log(TERM_SEEN)
        if "concurrency" in candidate.capabilities:
            # It does not need the thread that is in the application to stop accepting.
            wait_for(lambda: not listens(subject.address), "the worker to stop accepting")
        gate.open()
        reply = read_reply(client)
        assert reply.text == f"waited in {worker}"
        if reply.header("Connection") != "close":
            # The head may have been made before the signal; then the next response is the last.
            client.sendall(GET)
            reply = read_reply(client)
        assert reply.header("Connection") == "close"
        assert client.recv(1) == b""
    subject.wait()


def pending(pid: int, number: Signals) -> bool:
    """Tell whether a signal was sent to a process that has not taken it yet (proc(5), ShdPnd)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (mask,) = (line.split()[1] for line in lines if line.startswith("ShdPnd:"))
    return bool(int(mask, 16) >> (number - 1) & 1)


def test_term_to_a_worker_replaces_it(start: Start, gate: Gate) -> None:
    """A worker that gets TERM finishes its request, and is replaced.

    It takes no new connection meanwhile.
    """
    subject = start()
    old = subject.worker
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        os.kill(old, SIGTERM)
        # The replacement is made when the old worker is gone.
        gate.open()
        assert parse(read_all(client)).text == f"waited in {old}"
    subject.wait_for_end_of(old)
    assert subject.recording.wait("child_exit").facts["status"] == 0
    assert not subject.recording.of("worker_int")
    assert subject.get("/pid") == str(subject.worker) != str(old)
    subject.stop()


@pytest.mark.parametrize("number", [SIGINT, SIGQUIT], ids=["INT", "QUIT"])
def test_quit_does_not_wait(start: Start, gate: Gate, number: Signals) -> None:
    """INT and QUIT end the server without waiting for a request."""
    subject = start("--graceful-timeout=600", "--timeout=600", env=ABRUPT)
    worker = subject.worker
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        subject.signal(number)
        subject.wait()
        assert client.recv(1) == b""
    assert len(subject.recording.of("worker_int", worker)) == 1
    assert len(subject.recording.of("worker_exit", worker)) == 1


@pytest.mark.parametrize(
    ("number", "hook", "status"),
    [(SIGINT, "worker_int", 0), (SIGQUIT, "worker_int", 0), (SIGABRT, "worker_abort", 1)],
    ids=["INT", "QUIT", "ABRT"],
)
def test_quick_end_of_a_worker_does_not_wait(
    start: Start, gate: Gate, number: Signals, hook: str, status: int
) -> None:
    """A worker that gets INT, QUIT or ABRT ends without waiting for its request.

    The request is lost, and another worker takes its place.
    """
    subject = start("--graceful-timeout=600", "--timeout=600", env=ABRUPT)
    subject.tracebacks_expected = True
    old = subject.worker
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        os.kill(old, number)
        assert client.recv(1) == b""
    subject.wait_for_end_of(old)
    assert subject.recording.wait("child_exit").facts["status"] == status
    assert len(subject.recording.of(hook, old)) == 1
    assert len(subject.recording.of("worker_exit", old)) == 1
    assert wait_for(lambda: subject.get("/pid") != str(old), "the replacement")
    subject.stop()


def test_request_may_not_outlive_graceful_timeout(start: Start, gate: Gate) -> None:
    """A request that lasts longer than graceful_timeout is killed with its worker."""
    subject = start("--graceful-timeout=1", "--timeout=600")
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        subject.signal(SIGTERM)
        subject.wait()
