"""A worker that is silent for too long is killed, and the log says what it was doing."""

from __future__ import annotations

import re
from pathlib import Path

from corn_testkit.client import read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.waiting import alive, wait_for

ACCESS = ("--access-logfile=-", "--access-logformat=%(r)s %(s)s")


def test_busy_worker_is_killed_with_its_stack(serve: Serve) -> None:
    server = serve("--timeout=1", *ACCESS, "probe:app")
    server.tracebacks_expected = True
    (worker,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(b"GET /spin HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_log(rf"WORKER TIMEOUT \(pid:{worker}\).*handling GET /spin")
        server.wait_for_log(r"probe\.py.* in spin$")
        wait_for(lambda: not alive(worker), "the worker to end")
        assert client.recv(1) == b""
    assert server.get() == "hello"
    wait_for(lambda: server.output.count("\n") == 2, "two access lines")
    assert re.match(r"GET /spin(?: HTTP/1\.1)? ", server.output)
    server.stop()


def test_worker_inside_a_system_call_is_killed_with_its_stack(serve: Serve, gate: Gate) -> None:
    server = serve("--timeout=1", "probe:app")
    server.tracebacks_expected = True
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.wait_for_log("WORKER TIMEOUT")
        server.wait_for_log("in wait")
        assert client.recv(1) == b""
    assert server.get() == "hello"
    server.stop()


def test_worker_that_ignores_sigabrt_is_killed(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "deaf.py").write_text(
        "import signal, time\n"
        "def app(environ, start_response):\n"
        "    if environ['PATH_INFO'] == '/deaf':\n"
        "        signal.signal(signal.SIGABRT, signal.SIG_IGN)\n"
        "        while True:\n"
        "            time.sleep(60)\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n"
    )
    server = serve("--timeout=1", "deaf:app", cwd=tmp_path)
    server.tracebacks_expected = True
    (worker,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(b"GET /deaf HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_for(lambda: not alive(worker), "the deaf worker to be killed")
    assert server.get() == "hello"
    server.stop()


def test_timeout_of_0_is_none(serve: Serve) -> None:
    """The worker outlives several of its timeouts; a client's own timeout tells the time."""
    server = serve("--timeout=0", "--header-timeout=5", "probe:app")
    (worker,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        assert b" 408 " in read_all(client)
    assert server.workers() == [worker]
    server.stop()
