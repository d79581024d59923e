"""Signals to the master: stopping, the number of workers, workers that end by themselves."""

from __future__ import annotations

import os
from pathlib import Path
from signal import SIGHUP, SIGKILL, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGWINCH

from corn_testkit.client import parse, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.waiting import wait_for

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_ttin_and_ttou_change_the_number_of_workers(serve: Serve) -> None:
    server = serve("probe:app")
    (oldest,) = server.wait_for_workers(1)
    server.signal(SIGTTIN)
    server.wait_for_workers(2)
    server.signal(SIGTTIN)
    assert oldest in server.wait_for_workers(3)
    server.signal(SIGTTOU)
    assert oldest not in server.wait_for_workers(2)
    server.signal(SIGTTOU)
    (last,) = server.wait_for_workers(1)
    server.signal(SIGTTOU)
    server.wait_for_log("Handling signal: ttou", count=3)
    assert server.get("/pid") == str(last)
    server.stop()


def test_ttou_lets_a_request_finish(serve: Serve, gate: Gate) -> None:
    server = serve("--workers=2", "probe:app")
    server.wait_for_workers(2)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGTTOU)
        server.wait_for_log("Handling signal: ttou")
        gate.open()
        assert parse(read_all(client)).status == 200
    server.wait_for_workers(1)
    assert server.get() == "hello"
    server.stop()


def test_killed_worker_is_replaced_and_reported(serve: Serve) -> None:
    server = serve("probe:app")
    killed = int(server.get("/pid"))
    os.kill(killed, SIGKILL)
    server.wait_for_log(rf"\(pid: ?{killed}\).*(SIGKILL|killed)")
    assert int(server.get("/pid")) != killed
    server.stop()


def test_worker_that_exits_is_replaced(serve: Serve) -> None:
    server = serve("probe:app")
    left = int(server.get("/pid"))
    with server.address.connect() as client:
        client.sendall(b"GET /leave HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(1) == b""
    server.wait_for_log(rf"{left}.*\b7\b")
    assert int(server.get("/pid")) != left
    server.stop()


def test_term_is_announced_for_the_time_of_shutdown_delay(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "told.py"
    config.write_text("def on_stopping(server, reason):\n    server.log.info('I am told.')\n")
    server = serve(f"--config={config}", "--shutdown-delay=60", "probe:app")
    (killed,) = server.wait_for_workers(1)
    server.signal(SIGTERM)
    server.wait_for_log("Stopping in 60 seconds; until then, requests are served")
    server.wait_for_log(r"I am told\.")
    # It goes on as before: also a worker that dies is replaced.
    assert server.get("/pid") == str(killed)
    os.kill(killed, SIGKILL)
    assert server.get("/pid") != str(killed)
    server.signal(SIGHUP)
    server.wait_for_log("Ignored, because the server is stopping")
    server.stop(SIGTERM)
    assert server.log.count("I am told.") == 1


def test_quit_does_not_wait_for_an_announced_stop(serve: Serve) -> None:
    server = serve("--shutdown-delay=60", "probe:app")
    server.wait_for_workers(1)
    server.signal(SIGTERM)
    server.wait_for_log("Stopping in 60 seconds")
    server.stop(SIGQUIT)


def test_an_announced_stop_begins_by_itself(serve: Serve) -> None:
    server = serve("--shutdown-delay=0.3", "probe:app")
    server.wait_for_workers(1)
    server.signal(SIGTERM)
    server.wait_for_log("Stopping in 0.3 seconds")
    server.wait()


def test_a_stop_that_no_client_would_notice_is_not_announced(serve: Serve) -> None:
    server = serve("--shutdown-delay=600", "probe:app")
    server.wait_for_workers(1)
    server.signal(SIGWINCH)
    wait_for(lambda: not server.workers(), "the rest")
    server.stop()
