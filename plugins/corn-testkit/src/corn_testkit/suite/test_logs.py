"""The logs have a line for each request, are reopened, and have no needless warnings."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path
from signal import SIGHUP, SIGUSR1

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import read_reply
from corn_testkit.descriptors import open_files
from corn_testkit.waiting import alive, wait_for


def test_access_line_for_each_request(start: Start) -> None:
    """Each request gets one access line, also if it fails or is refused."""
    subject = start("--access-logfile=-", "--access-logformat=%(m)s %(U)s %(s)s %(B)s %(p)s")
    subject.tracebacks_expected = True
    pid = f"<{subject.worker}>"
    asked: tuple[Callable[[], object], ...] = (
        subject.request,
        lambda: subject.request("POST", "/echo", b"x" * 1000),
        lambda: subject.request(path="/nowhere"),
        lambda: subject.request(path="/fail"),
        lambda: subject.raw(b"NONSENSE\r\n\r\n"),
    )
    for number, ask in enumerate(asked, 1):
        ask()
        # A line may come after its response: those of requests side by side have no order.
        wait_for_lines(subject, number)
    subject.stop()
    lines = subject.output.splitlines()
    assert lines[:3] == [
        *(f"GET / 200 5 {pid}", f"POST /echo 200 1000 {pid}", f"GET /nowhere 404 9 {pid}")
    ]
    assert re.match(rf"GET /fail 500 \d+ {pid}", lines[3])
    assert " 400 " in lines[4]
    assert len(lines) == 5


def wait_for_lines(subject: Subject, count: int) -> None:
    wait_for(lambda: subject.output.count("\n") >= count, f"access line {count}")


def test_usr1_reopens_the_files(start: Start, tmp_path: Path) -> None:
    """USR1 makes a worker reopen its log files."""
    access = tmp_path / "access"
    subject = start(f"--access-logfile={access}", "--access-logformat=%(q)s")
    worker = subject.worker
    assert subject.get("/complain?q=before") == "complained"
    wait_for(lambda: access.read_text() == "q=before\n", "the first line")
    rotated = access.rename(tmp_path / "access.1")
    subject.signal(SIGUSR1)
    # The worker reopens its own, some time after the master has.
    wait_for(lambda: not holds(worker, rotated), "the worker to let go of the old file")
    assert subject.get("/pid?after") == str(worker)
    wait_for(lambda: access.read_text() == "after\n", "the line in the new file")
    assert rotated.read_text() == "q=before\n"
    subject.stop()


def holds(pid: int, path: Path) -> bool:
    """Tell whether a process has a file open."""
    return str(path) in open_files(pid).values()


def test_errors_of_the_application(shared: Subject) -> None:
    """The text that an application writes to wsgi.errors is in the error log as it is."""
    assert shared.get("/complain?q=of-this") == "complained"
    # As it was written: without time, process and level.
    shared.wait_for_log("^complaint: of-this$")


def test_log_of_a_good_day(start: Start) -> None:
    """Normal operation logs no warning, no error and no traceback.

    Clients of all kinds, a reload and a stop.
    """
    subject = start(workers=2)
    for path in ("/", "/nowhere", "/large?q=500", "/nothing", "/write"):
        subject.request(path=path)
    subject.request("POST", "/digest", b"x" * 3_000_000)
    with subject.address.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_reply(client).status == 200
    for sent in (b"", b"GET /", b"GET /large?q=9999 HTTP/1.1\r\nHost: x\r\n\r\n"):
        with subject.address.connect() as client:
            client.sendall(sent)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    old = subject.ready(2)
    subject.signal(SIGHUP)
    wait_for(lambda: not any(map(alive, old)), "the old workers to end")
    assert subject.get() == "hello"
    subject.ready(2)
    subject.stop()
    assert not re.findall(r".*\[(?:WARNING|ERROR|CRITICAL)\].*|.*Warning: .*", subject.log)
