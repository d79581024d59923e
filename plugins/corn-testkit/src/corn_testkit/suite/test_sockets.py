"""Applications that take the client's socket: the connection is theirs for as long as they want."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGQUIT, SIGTERM

import pytest

from corn_testkit.apps.taker import SWITCHED
from corn_testkit.candidate import Start, Subject
from corn_testkit.client import parse, read_all, read_reply
from corn_testkit.tls import Certificate, secured
from corn_testkit.waiting import wait_for

pytestmark = pytest.mark.corn_needs("socket")

TAKER = "taker:app"
LOG = ("--access-logfile=-", "--access-logformat=%(U)s %(s)s %(B)s")


def ask(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def receive(client: socket.socket, wanted: bytes) -> None:
    """Receive these bytes, and not one other."""
    received = b""
    while len(received) < len(wanted):
        piece = client.recv(len(wanted) - len(received))
        assert piece, f"the connection ended after {received!r}"
        received += piece
    assert received == wanted


@contextmanager
def talking(subject: Subject, path: str, early: bytes = b"") -> Iterator[socket.socket]:
    """Connect a client, which the application has answered."""
    with subject.address.connect() as client:
        client.sendall(ask(path) + early)
        receive(client, SWITCHED)
        yield client


def say(client: socket.socket, what: bytes) -> None:
    client.sendall(what)
    receive(client, what.upper())


def lines(subject: Subject, count: int) -> list[str]:
    """Return the access log once it has so many lines."""
    wait_for(lambda: subject.output.count("\n") >= count, f"access line {count}")
    return subject.output.splitlines()


@pytest.mark.parametrize("end", ["stop", "nothing", "page"])
def test_a_talk_is_one_request_with_101(start: Start, end: str) -> None:
    """An application that takes the client's socket counts as one request with status 101."""
    subject = start(*LOG, app=TAKER)
    with talking(subject, f"/{end}") as client:
        say(client, b"one")
        assert subject.output == ""
        say(client, b"bye")
        assert client.recv(1) == b""
    assert lines(subject, 1) == [f"/{end} 101 0"]
    assert subject.recording.wait("post_request").facts["status"] == "101 Switching Protocols"
    with talking(subject, f"/{end}"):
        pass  # it leaves without a word
    assert lines(subject, 2) == [f"/{end} 101 0"] * 2
    subject.stop()
    names = [name for name in subject.recording.names if name.endswith("_request")]
    assert names == ["pre_request", "post_request"] * 2
    assert "[ERROR]" not in subject.log
    assert "[WARNING]" not in subject.log


def test_a_talk_that_fails(start: Start) -> None:
    """If an application fails after it took the client's socket, the status is 500."""
    subject = start(*LOG, app=TAKER)
    subject.tracebacks_expected = True
    with talking(subject, "/fail") as client:
        say(client, b"bye")
        assert client.recv(1) == b""
    assert lines(subject, 1) == ["/fail 500 0"]
    subject.wait_for_log("RuntimeError: the talk has failed")
    subject.stop()


@pytest.mark.corn_needs("concurrency")
def test_a_silent_talk_holds_up_nobody(talker: Subject) -> None:
    """An application that waits on the client's socket does not delay other clients."""
    with talking(talker, "/stop") as client:
        assert [talker.get() for _ in range(10)] == ["hello"] * 10
        say(client, b"still there")


@pytest.mark.corn_needs("concurrency", "long-requests")
def test_a_silent_talk_is_not_timed(start: Start) -> None:
    """No timeout of the server ends an application's use of the client's socket."""
    times = ("--timeout=1", "--keep-alive=1", "--header-timeout=1", "--write-timeout=1")
    subject = start(*times, app=TAKER)
    worker = subject.worker
    with talking(subject, "/stop") as client:
        for _ in range(3):
            # Each of them waits for as long as a talk would be given, if it were timed.
            with subject.address.connect() as other:
                other.sendall(b"GET ")
                assert parse(read_all(other)).status == 408
        say(client, b"still there")
    assert subject.worker == worker
    subject.stop()


def test_what_the_client_says_early_is_heard(talker: Subject) -> None:
    """Bytes that came after the head are still read from the socket the application takes."""
    with talking(talker, "/stop", early=b"early") as client:
        receive(client, b"EARLY")
        say(client, b"later")


@pytest.mark.corn_needs("keepalive")
def test_a_talk_on_a_kept_connection(talker: Subject) -> None:
    """An application may take the socket of a connection that has carried other requests."""
    with talker.address.connect() as client:
        for _ in range(2):
            client.sendall(ask("/look"))
            host, port = client.getsockname()
            assert read_reply(client).text == f"{host} {port}"
        client.sendall(ask("/stop"))
        receive(client, SWITCHED)
        say(client, b"bye")
        assert client.recv(1) == b""


@pytest.mark.corn_needs("keepalive")
def test_whoever_looks_takes_nothing_from_the_next_request(talker: Subject) -> None:
    """An application that only looks at the socket takes nothing from the next request."""
    with talker.address.connect() as client:
        client.sendall(ask("/look") + ask("/"))
        client.shutdown(socket.SHUT_WR)
        assert read_all(client).endswith(b"\r\n\r\nhello")


def test_the_end_is_the_end_for_every_thread(start: Start) -> None:
    """When the application returns, the connection ends for all of its threads.

    The client stays, and so does a thread of the application that waits for it.
    """
    subject = start(app=TAKER)
    with talking(subject, "/linger") as client:
        assert client.recv(1) == b""
        subject.wait_for_log("the thread heard b''")
    subject.stop()


def test_term_waits_for_a_talk(start: Start) -> None:
    """TERM lets an application finish that has taken the client's socket."""
    subject = start(*LOG, "--graceful-timeout=600", "--timeout=600", app=TAKER)
    with talking(subject, "/stop") as client:
        subject.signal(SIGTERM)
        subject.wait_for_log("Handling signal: term")
        say(client, b"not yet")
        say(client, b"bye")
    subject.wait()
    assert subject.output.splitlines() == ["/stop 101 0"]


def test_a_talk_may_not_outlive_graceful_timeout(start: Start) -> None:
    """graceful_timeout ends an application that has taken the client's socket."""
    subject = start("--graceful-timeout=1", "--timeout=600", app=TAKER)
    with talking(subject, "/stop") as client:
        subject.signal(SIGTERM)
        subject.wait()
        assert client.recv(1) == b""


def test_quit_does_not_wait_for_a_talk(start: Start) -> None:
    # The worker ends within a request: no warning of sockets that it did not close.
    """QUIT ends a worker at once, also if an application has taken the client's socket."""
    quiet = {"PYTHONWARNINGS": "ignore"}
    subject = start("--graceful-timeout=600", "--timeout=600", app=TAKER, env=quiet)
    with talking(subject, "/stop") as client:
        subject.signal(SIGQUIT)
        subject.wait()
        assert client.recv(1) == b""


def test_no_socket_is_offered_over_tls(
    start: Start, certificate: Certificate, context: ssl.SSLContext
) -> None:
    """Over TLS the application is not offered the socket.

    Only the server can read the bytes that it carries.
    """
    files = (f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}")
    subject = start(*files, app=TAKER)
    with secured(subject.address.connect(), context) as client:
        client.sendall(b"GET /look HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert parse(read_all(client)).text == "no socket"
    subject.stop()
