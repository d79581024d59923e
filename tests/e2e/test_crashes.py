"""Workers that die by themselves: when the next one is forked."""

from __future__ import annotations

from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve

APP = """
import os, signal

def app(environ, start_response):
    if environ["PATH_INFO"] == "/die":
        os.kill(os.getpid(), signal.SIGKILL)
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""


@pytest.mark.parametrize("between", [True, False], ids=["served others", "its first request"])
def test_a_request_that_ends_its_worker_costs_no_waiting(
    serve: Serve, tmp_path: Path, between: bool
) -> None:
    (tmp_path / "deadly.py").write_text(APP)
    server = serve("deadly:app", cwd=tmp_path)
    for _ in range(5):
        with server.address.connect() as client:
            client.sendall(b"GET /die HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(1) == b""
        if between:
            assert server.get() == "hello"
    assert server.get() == "hello"
    assert server.log.count("Booting worker with pid") == 6
    assert "trying again" not in server.log
    server.stop()


def test_workers_that_die_at_once_are_not_forked_in_a_hot_loop(
    serve: Serve, tmp_path: Path
) -> None:
    """And yet one tries every second, because the service is down meanwhile."""
    config = tmp_path / "config.py"
    config.write_text(
        "import os\ndef post_worker_init(worker):\n    worker.notify = lambda: os._exit(7)\n"
    )
    server = serve(f"--config={config}", "probe:app")
    server.wait_for_log(r"failed 5 times in a row; trying again within 1 seconds$")
    server.stop()
