"""The gthread worker as a real process."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from corn_testkit.client import Address, parse, parse_all, read_all
from corn_testkit.descriptors import sockets_of
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.tls import Certificate, secured
from corn_testkit.waiting import alive, listening, wait_for

APPS = Path(__file__).with_name("apps")
COUNTING = f"--config={APPS / 'counting.py'}"
"""The master says every second what its workers are at."""

ABOUT = b"GET /thread HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def gates(tmp_path: Path) -> Iterator[list[Gate]]:
    """Three gates; open ones after the test, because no request may wait at them for ever."""
    directories = [tmp_path / str(number) for number in range(3)]
    for directory in directories:
        directory.mkdir()
    gates = [Gate(directory) for directory in directories]
    yield gates
    for gate in gates:
        gate.open()


class Held:
    """Requests that wait at gates, on a connection each."""

    def __init__(self, server: Server, gates: list[Gate]) -> None:
        self.gates = gates
        self.clients = [server.address.connect() for _ in gates]
        for client, gate in zip(self.clients, gates, strict=True):
            client.sendall(gate.request)

    def __enter__(self) -> Held:
        for gate in self.gates:
            gate.entered()
        return self

    def __exit__(self, *_: object) -> None:
        for gate in self.gates:
            gate.open()
        for client in self.clients:
            client.close()

    def let_go(self) -> list[bytes]:
        """Return the responses, after the gates have been opened and the worker has closed."""
        for gate in self.gates:
            gate.open()
        return [read_all(client) for client in self.clients]


def ask(client: socket.socket, request: bytes = ABOUT) -> str:
    client.sendall(request)
    return parse(client.recv(65536)).text


def unanswered(client: socket.socket) -> bool:
    """Tell whether nothing has come yet."""
    patience = client.gettimeout()
    client.setblocking(False)
    try:
        client.recv(1)
    except BlockingIOError:
        return True
    finally:
        client.settimeout(patience)
    return False


def worker_of(server: Server) -> int:
    """Return the only worker, which has booted."""
    server.get("/")
    (worker,) = server.workers()
    return worker


def threads_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


def test_fast_calls_need_one_thread(serve: Serve) -> None:
    server = serve("-kgthread", "--threads=4", "crowd:app", cwd=APPS)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.address.connect()) for _ in range(5)]
        names = {ask(client) for client in clients * 20}
    # A machine that is busy may make one of them look slow: that adds a name, not four.
    assert "corn-1" in names
    assert len(names) < 4
    server.stop()


def test_calls_without_a_processor_are_not_slow(serve: Serve) -> None:
    """A thread that is not scheduled gains nothing when another one takes the loop."""
    server = serve("-kgthread", "--threads=4", "crowd:app", cwd=APPS)
    worker = worker_of(server)
    with starved(worker), server.address.connect() as client:
        client.settimeout(60)
        last = b"GET /digest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        client.sendall(b"GET /digest HTTP/1.1\r\nHost: x\r\n\r\n" * 39 + last)
        assert len(parse_all(read_all(client))) == 40
    # The main thread and the only one that has ever answered.
    assert threads_of(worker) == 2
    server.stop()


def test_slow_calls_run_side_by_side_and_no_more_than_threads(
    serve: Serve, gates: list[Gate]
) -> None:
    server = serve(COUNTING, "-kgthread", "--threads=3", "probe:app")
    with Held(server, gates) as held, server.address.connect() as fourth:
        # All three are in the application. The next one is read and waits.
        fourth.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_log(r"Now: 3 in flight, 4 connections\.", count=2)
        assert unanswered(fourth)
        gates[1].open()
        assert parse(held.clients[1].recv(65536)).text.startswith("waited")
        assert parse(fourth.recv(65536)).text == "hello"
        # The thread is free now, and others are served beside the two that wait.
        assert server.get() == "hello"
    server.stop()


def test_one_thread_reads_while_it_is_in_the_application(serve: Serve, gates: list[Gate]) -> None:
    server = serve("-kgthread", "--threads=1", "--timeout=2", "probe:app")
    worker = worker_of(server)
    with Held(server, gates[:1]) as held, server.address.connect() as slow:
        # No thread can answer it; but it can be refused, for that does not take the application.
        assert parse(server.raw(b"NONSENSE\r\n\r\n")).status == 400
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        gates[0].open()
        assert parse(held.clients[0].recv(65536)).status == 200
        assert parse(slow.recv(65536)).text == "hello"
    assert server.workers() == [worker]
    server.stop()


def test_term_finishes_what_every_thread_has_begun(serve: Serve, gates: list[Gate]) -> None:
    server = serve(COUNTING, "-kgthread", "--threads=2", "probe:app")
    with Held(server, gates[:2]) as held, server.address.connect() as third:
        # It waits for a thread when the worker is told to stop.
        third.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_log(r"Now: 2 in flight, 3 connections\.", count=2)
        assert unanswered(third)
        (worker,), listeners = server.workers(), listening(server.address.port)
        server.signal(signal.SIGTERM)
        # The master hears of it first. The worker has, too, when it does not accept any more.
        wait_for(lambda: not listeners & sockets_of(worker), "the worker to stop accepting")
        for data in held.let_go():
            reply = parse(data)
            assert reply.text.startswith("waited")
        assert parse(read_all(third)).header("Connection") == "close"
    server.wait()


def test_quit_does_not_wait_for_threads(serve: Serve, gates: list[Gate], tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text(
        "def worker_int(worker):\n    worker.log.info('interrupted')\n"
        "def worker_exit(server, worker):\n    worker.log.info('leaves')\n"
    )
    server = serve("-kgthread", "--threads=3", f"-c{config}", "--graceful-timeout=60", "probe:app")
    with Held(server, gates) as held:
        # Within the deadline of all waiting here, far below the graceful timeout.
        server.stop(signal.SIGQUIT)
        assert held.clients[0].recv(1) == b""
    assert re.search(r"interrupted[^$]*leaves", server.log)


def test_abort_ends_a_worker_with_busy_threads(
    serve: Serve, gates: list[Gate], tmp_path: Path
) -> None:
    config = tmp_path / "config.py"
    config.write_text("def worker_abort(worker):\n    worker.log.info('aborted')\n")
    server = serve("-kgthread", "--threads=2", f"-c{config}", "probe:app")
    worker = worker_of(server)
    with Held(server, gates[:2]):
        os.kill(worker, signal.SIGABRT)
        server.wait_for_log("aborted")
        wait_for(lambda: not alive(worker), "the worker to end")
    assert server.get() == "hello"
    server.stop()


def test_usr1_reopens_logs_while_threads_are_busy(
    serve: Serve, gates: list[Gate], tmp_path: Path
) -> None:
    log = tmp_path / "access.log"
    server = serve("-kgthread", "--threads=2", f"--access-logfile={log}", "probe:app")
    worker = worker_of(server)
    with Held(server, gates[:2]):
        log.rename(tmp_path / "rotated")
        os.kill(worker, signal.SIGUSR1)
        wait_for(log.exists, "the log to be opened again")
        gates[0].open()
        wait_for(lambda: "/wait" in log.read_text(), "the access line")
    server.stop()


def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    server = serve("-kgthread", "--threads=4", "crowd:app", cwd=APPS)
    sleeps = ("0.05", "0", "0.02", "0", "0", "0.01")
    paths = [f"/{number}?sleep={sleep}" for number, sleep in enumerate(sleeps)]
    data = b"".join(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % path.encode() for path in paths)
    last = b"GET /report HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    *replies, report = parse_all(server.raw(data + last))
    assert [reply.text for reply in replies] == [f"/{number}" for number in range(len(paths))]
    assert json.loads(report.body)["overlaps"] == []
    server.stop()


def test_tls_from_every_thread(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(
        *("-kgthread", "--threads=4", "crowd:app"),
        *(f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}"),
        cwd=APPS,
    )
    with ExitStack() as stack:
        clients = [
            stack.enter_context(secured(server.address.connect(), context)) for _ in range(8)
        ]
        for round_ in range(4):
            for number, client in enumerate(clients):
                path = f"/{round_}-{number}?sleep=0.02&times=20000"
                client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            for number, client in enumerate(clients):
                body = f"/{round_}-{number}".encode() * 20000
                assert read_sized(client).endswith(b"\r\n\r\n" + body)
    report = json.loads(fetch(server.address, context, "/report"))
    assert report["most"] > 1
    assert report["overlaps"] == []
    server.stop()


def test_files_from_every_thread(serve: Serve) -> None:
    server = serve("-kgthread", "--threads=4", "crowd:app", cwd=APPS)
    expected = (APPS / "crowd.py").read_bytes()
    with ExitStack() as stack:
        clients = [stack.enter_context(server.address.connect()) for _ in range(6)]
        for client in clients * 3:
            client.sendall(b"GET /file?sleep=0.01 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert read_sized(client).endswith(b"\r\n\r\n" + expected)
    server.stop()


def test_a_slow_client_s_response_is_sent_by_the_loop(serve: Serve) -> None:
    """The threads are free long before the client has read what they have answered."""
    server = serve("-kgthread", "--threads=1", "crowd:app", cwd=APPS)
    with server.address.connect() as client:
        client.sendall(b"GET /abc?sleep=0.02&times=2000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(4) == b"HTTP"
        for _ in range(3):
            assert server.get("/other") == "/other"
        assert read_sized(client, b"HTTP").endswith(b"/abc" * 2000000)
        assert ask(client).startswith("corn-")
    server.stop()


def test_new_clients_get_their_turn_beside_busy_ones(serve: Serve) -> None:
    """Kept connections that always have another request must not shut new ones out."""
    server = serve("-kgthread", "--threads=2", "crowd:app", cwd=APPS)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.address.connect()) for _ in range(8)]
        for client in clients:
            # Far more than can be answered while the test runs.
            client.sendall(b"GET /sleep?0.02 HTTP/1.1\r\nHost: x\r\n\r\n" * 1000)
        assert clients[0].recv(4) == b"HTTP"
        assert server.get("/late") == "/late"
        server.stop(signal.SIGQUIT)


def test_sync_with_threads_is_gthread(serve: Serve) -> None:
    server = serve("-ksync", "--threads=2", "probe:app")
    server.wait_for_log("Using worker: gthread$")
    assert json.loads(server.get("/facts"))["wsgi"]["wsgi.multithread"] is True
    server.stop()


def test_max_requests_counts_those_of_all_threads(serve: Serve) -> None:
    server = serve("-kgthread", "--threads=4", "--max-requests=21", "crowd:app", cwd=APPS)
    worker = worker_of(server)
    with ExitStack() as stack:
        clients = [stack.enter_context(server.address.connect()) for _ in range(4)]
        for _ in range(5):
            for client in clients:
                client.sendall(b"GET /sleep?0.005 HTTP/1.1\r\nHost: x\r\n\r\n")
            for client in clients:
                assert parse(client.recv(65536)).text == "slept"
    wait_for(lambda: not alive(worker), "the worker to be replaced")
    assert server.get("/new") == "/new"
    server.stop()


def test_threads_are_started_when_they_are_needed(serve: Serve, gates: list[Gate]) -> None:
    server = serve("-kgthread", "--threads=3", "probe:app")
    worker = worker_of(server)
    assert threads_of(worker) == 2
    with Held(server, gates):
        # The main thread, the three, and the one that polls.
        wait_for(lambda: threads_of(worker) == 5, "a thread to take the loop over")
    server.stop()


@contextmanager
def starved(worker: int) -> Iterator[None]:
    """Let the worker's only thread beside the main one share a processor, and have little of it."""
    (thread,) = (int(name) for name in os.listdir(f"/proc/{worker}/task") if int(name) != worker)
    processor = {max(os.sched_getaffinity(0))}
    os.sched_setaffinity(thread, processor)
    os.setpriority(os.PRIO_PROCESS, thread, 19)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        os.sched_setaffinity(other.pid, processor)
        try:
            yield
        finally:
            other.kill()


def read_sized(client: socket.socket, begun: bytes = b"") -> bytes:
    """Read a whole response, which has a Content-Length."""
    data = bytearray(begun)
    while b"\r\n\r\n" not in data:
        data += client.recv(65536)
    head = data.index(b"\r\n\r\n") + 4
    found = re.search(rb"(?i)content-length: (\d+)", data[:head])
    assert found is not None, data[:head]
    while len(data) < head + int(found[1]):
        piece = client.recv(65536)
        assert piece, "cut short"
        data += piece
    return bytes(data)


def fetch(address: Address, context: ssl.SSLContext, path: str) -> bytes:
    with secured(address.connect(), context) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        return read_sized(client).partition(b"\r\n\r\n")[2]
