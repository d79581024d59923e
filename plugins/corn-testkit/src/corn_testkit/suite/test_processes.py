"""Workers depend on their master, and run as the user that they are told to be."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGTTIN, SIGTTOU, SIGUSR2, SIGWINCH, Signals

import pytest

from corn_testkit.candidate import Candidate, Start, Subject
from corn_testkit.client import get, parse_all, read_all, read_reply
from corn_testkit.gate import Gate
from corn_testkit.privileges import GROUP, USER, command_for_all, gid, uid
from corn_testkit.waiting import alive, listening, wait_for

IGNORED = (SIGHUP, SIGUSR2, SIGWINCH, SIGTTIN, SIGTTOU)


def test_workers_end_when_their_master_was_killed(start: Start) -> None:
    """Workers end when their master is gone."""
    subject = start(workers=2)
    workers = subject.ready(2)
    assert subject.get() == "hello"
    subject.signal(SIGKILL)
    subject.process.wait()
    wait_for(lambda: not any(map(alive, workers)), "the orphans to end")


def test_worker_that_was_left_alone_ends_in_time_and_frees_its_address(
    start: Start, gate: Gate
) -> None:
    """A worker whose master is gone ends within graceful_timeout, whatever a request does.

    Its address is free at once.
    """
    subject = start("--graceful-timeout=1")
    worker = subject.worker
    port = subject.address.port
    with subject.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        subject.signal(SIGKILL)
        subject.process.wait()
        wait_for(lambda: not listening(port), "the address to be free")
        wait_for(lambda: not alive(worker), "the worker to end")
    assert "Parent changed, shutting down within 1 seconds" in subject.log


@pytest.mark.parametrize("how", ["return", "raise", "exit"])
def test_child_of_the_application_does_not_act_as_the_worker(
    start: Start, candidate: Candidate, how: str
) -> None:
    """A process that an application forks, and that comes back from it, ends there.

    The client gets one answer, from the worker.
    """
    subject = start()
    subject.tracebacks_expected = how == "raise"
    worker = subject.worker
    for _ in range(2):
        with subject.address.connect() as client:
            client.sendall(get(f"/fork?q={how}", "Connection: close"))
            (reply,) = parse_all(read_all(client))
        child = int(reply.text)
        subject.wait_for_end_of(child)
        for _ in range(3):
            assert subject.get("/pid") == str(worker)
    subject.stop()


def test_closed_standard_streams_do_not_become_those_of_a_client(start: Start) -> None:
    """Writing to a standard stream that the application has closed never reaches a client."""
    subject = start()
    assert subject.get("/close-standard") == "closed"
    with ExitStack() as stack:
        clients = [stack.enter_context(subject.address.connect()) for _ in range(4)]
        for client in clients:
            client.sendall(b"GET /output HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [read_reply(client).text for client in clients] == ["written"] * 4
    subject.stop()


def test_worker_that_was_killed_is_replaced(start: Start) -> None:
    """A worker that is killed is replaced."""
    subject = start()
    killed = subject.worker
    os.kill(killed, SIGKILL)
    subject.wait_for_end_of(killed)
    wait_for(lambda: subject.ready() != [killed], "another worker")
    assert subject.get("/pid") == str(subject.worker)
    subject.stop()


def test_application_that_the_master_has_loaded(start: Start) -> None:
    """With preload_app, a worker serves the application that the master has loaded."""
    subject = start("--preload", workers=2)
    workers = {str(pid) for pid in subject.ready(2)}
    assert {subject.get("/pid") for _ in range(10)} <= workers
    subject.stop()


@pytest.mark.parametrize("number", IGNORED, ids=lambda number: number.name)
def test_signals_for_the_master_do_nothing(shared: Subject, gate: Gate, number: Signals) -> None:
    """Signals that are meant for the master do nothing to a worker.

    Neither while it waits for requests nor while it handles one.
    """
    worker = shared.worker
    os.kill(worker, number)
    assert shared.get("/pid") == str(worker)
    with shared.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        os.kill(worker, number)
        gate.open()
        assert read_reply(client).text == f"waited in {worker}"
    assert shared.get("/pid") == str(worker)


def test_worker_is_another_user(candidate: Candidate) -> None:
    """A worker runs the application as the configured user; the master stays root."""
    home = Path(tempfile.mkdtemp(prefix="corn-testkit-"))
    try:
        home.chmod(0o755)
        command = command_for_all(home)
        flags = (f"--user={USER}", f"--group={GROUP}")
        subject = Subject(candidate, home, *flags, command=command)
        try:
            subject.started()
            worker = subject.worker
            assert ids(worker) == (uid(), gid())
            assert ids(subject.pid) == (0, os.getgid())
            assert subject.get("/pid") == str(worker)
            body = b"x" * 2_000_000
            assert subject.request("POST", "/echo", body).body == body
            subject.stop()
        finally:
            subject.kill()
        subject.check_log()
    finally:
        shutil.rmtree(home)


def ids(pid: int) -> tuple[int, int]:
    """Return the effective user and group of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {line.split(":")[0]: line.split()[1:] for line in lines if ":" in line}
    return int(fields["Uid"][1]), int(fields["Gid"][1])
