"""max_requests: workers are replaced under load, and no request is lost."""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.e2e.conftest import Serve
from tests.e2e.waiting import alive, wait_for


def test_no_request_is_lost(serve: Serve) -> None:
    server = serve("--workers=2", "--max-requests=20", "probe:app")
    served: set[str] = set()
    with ThreadPoolExecutor(8) as clients:
        # A worker may serve more than its requests while its replacement boots.
        wait_for(
            lambda: served.update(clients.map(server.get, ["/pid"] * 100)) or len(served) >= 8,
            "eight workers to have served",
        )
    server.wait_for_workers(2)
    server.wait_for_log("Autorestarting worker", count=4)
    server.stop()


def test_worker_ends_after_its_requests(serve: Serve) -> None:
    server = serve("--max-requests=3", "probe:app")
    first = server.get("/pid")
    wait_for(lambda: server.get("/pid") != first, "the replacement")
    wait_for(lambda: not alive(int(first)), "the first worker to end")
    server.stop()


def test_zero_never_replaces(serve: Serve) -> None:
    server = serve("--max-requests=0", "--max-requests-jitter=5", "probe:app")
    assert len({server.get("/pid") for _ in range(50)}) == 1
    server.stop()


def test_jitter_differs_by_worker(serve: Serve) -> None:
    """With a jitter of 60, eight workers that all draw the same would be one in 10^12."""
    server = serve("--max-requests=1", "--max-requests-jitter=60", "probe:app")
    pids: list[str] = []
    while len(set(pids)) < 9:
        pids.append(server.get("/pid"))
    lives = [pids.count(pid) for pid in dict.fromkeys(pids)]
    assert len(set(lives[:8])) > 1
    server.stop()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_load_sees_no_error(serve: Serve) -> None:
    server = serve("--workers=2", "--max-requests=500", "probe:app")
    server.get()
    command = ["wrk", "-t1", "-c16", "-d3s", "-H", "Connection: close", server.address.url]
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    requests = re.search(r"(\d+) requests in", report)
    assert requests and int(requests[1]) > 1000, report
    assert "Socket errors" not in report, report
    assert "Non-2xx" not in report, report
    server.wait_for_log("Autorestarting worker", count=2)
    server.stop()
