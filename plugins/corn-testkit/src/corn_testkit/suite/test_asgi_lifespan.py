"""The application is started before anything is served, and ended after the last request."""

from __future__ import annotations

from pathlib import Path
from signal import SIGHUP, SIGTERM
from urllib.parse import quote

import pytest

from corn_testkit.asgi.clients import says_nothing
from corn_testkit.asgi.frames import CLOSE, FrameStream, close, opened, same
from corn_testkit.candidate import Candidate, Start, Subject
from corn_testkit.client import get, read_all
from corn_testkit.waiting import wait_for

pytestmark = pytest.mark.corn_needs("asgi")


def without_waiting(candidate: Candidate, home: Path, *arguments: str, app: str) -> Subject:
    """Start a server that is not expected to boot."""
    subject = Subject(candidate, home, *arguments, app=app)
    subject.tracebacks_expected = True
    return subject


def test_startup_and_shutdown_in_their_order(start: Start, tmp_path: Path) -> None:
    """The application is started once in each worker, and ended once, after its last request."""
    subject = start(app="life:app", workers=2)
    pids = subject.ready(2)
    assert sorted(subject.log.count(f"starts in {pid}\n") for pid in pids) == [1, 1]
    mark = tmp_path / "mark"
    assert subject.get(f"/background?{quote(str(mark))}")
    subject.signal(SIGTERM)
    # One of the two has nothing left to do. The code that runs on after a response is waited for.
    subject.wait_for_log("^shuts down$")
    mark.touch()
    subject.wait()
    assert subject.log.count("shuts down") == 2
    last = subject.log.rindex("shuts down")
    assert subject.log.index("the background work has ended") < last


def test_nothing_is_served_before_startup_is_complete(candidate: Candidate, tmp_path: Path) -> None:
    """Nothing is served before startup is complete, and TERM ends a startup that hangs."""
    subject = without_waiting(candidate, tmp_path, app="life:hanging")
    try:
        subject.started()
        subject.wait_for_log("^starts in")
        with subject.address.connect() as client:
            client.sendall(get("/"))
            assert says_nothing(client)
        subject.stop()
    finally:
        subject.kill()


def test_failed_startup_is_a_failed_boot(candidate: Candidate, tmp_path: Path) -> None:
    """A startup that fails ends the server with status 4, and the log has its message."""
    subject = without_waiting(candidate, tmp_path, app="life:failing")
    try:
        subject.wait(status=4)
    finally:
        subject.kill()
    assert "startup has failed: RuntimeError: no database" in subject.log
    assert subject.log.count("Booting worker") == 1
    assert "Task was destroyed" not in subject.log


@pytest.mark.parametrize("name", ["raising", "returning"])
def test_application_without_lifespan_is_served(start: Start, name: str) -> None:
    """An application that raises or returns at the scope lifespan is served without it."""
    subject = start(app=f"life:{name}")
    assert subject.get().endswith(" []")
    subject.stop()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ending_badly", "not in order"),
        ("ending_raising", "RuntimeError: cannot shut down"),
        ("ending_never", "shutdown has not ended in time"),
    ],
)
def test_shutdown_that_fails_is_logged(start: Start, name: str, message: str) -> None:
    """A shutdown that fails, or does not end, is logged, and the worker ends."""
    subject = start("--graceful-timeout=2", app=f"life:{name}")
    subject.tracebacks_expected = True
    assert subject.get()
    subject.stop()
    assert message in subject.log


def test_reload_whose_startup_fails_keeps_the_old_workers(start: Start, tmp_path: Path) -> None:
    """A reload whose startup fails keeps the old workers, and one that succeeds replaces them."""
    application = tmp_path / "changing.py"
    application.write_text("from life import app")
    subject = start(f"--pythonpath={tmp_path}", app="changing:app")
    subject.tracebacks_expected = True
    before = subject.get()
    application.write_text("from life import failing as app")
    subject.signal(SIGHUP)
    subject.wait_for_log("RuntimeError: no database")
    assert subject.get() == before
    application.write_text("from life import ending_badly as app")
    subject.signal(SIGHUP)
    wait_for(lambda: subject.get() != before, "the new worker")
    subject.stop()


def test_call_that_never_ends_does_not_prevent_the_shutdown(start: Start) -> None:
    """A call that outlasts the time for stopping is cancelled before the application is ended."""
    subject = start("--graceful-timeout=2", "--access-logfile=-", app="life:app")
    with subject.address.connect() as client:
        client.sendall(get("/hang"))
        subject.wait_for_log("^hanging$")
        subject.stop()
    assert subject.log.index("hanging ends") < subject.log.index("shuts down")
    assert '"GET /hang HTTP/1.1" 500 ' in subject.output


@pytest.mark.corn_needs("websocket")
@pytest.mark.parametrize(("number", "code"), [(SIGTERM, 1001), (SIGHUP, 1012)], ids=["TERM", "HUP"])
def test_shutdown_comes_after_the_last_socket(start: Start, number: int, code: int) -> None:
    """At a stop a socket is closed with 1001, at a reload with 1012, and the application is told.

    The application is ended after that.
    """
    subject = start("--graceful-timeout=30", "--access-logfile=-", app="life:app")
    octets = code.to_bytes(2, "big")
    # A client that has connected and says nothing does not hold up any of it.
    with opened(subject.address, "/") as client, subject.address.connect():
        subject.wait_for_log("socket opens")
        subject.signal(number)  # type: ignore[arg-type]
        assert same(FrameStream(client).take(1), [(CLOSE, octets)])
        client.sendall(close(code))
        assert read_all(client) == b""
    subject.wait_for_log("shuts down")
    assert subject.log.index(f"socket ends with {code}") < subject.log.index("shuts down")
    if number == SIGHUP:
        subject.stop()
    else:
        subject.wait()
    assert '"GET / HTTP/1.1" 101 ' in subject.output
