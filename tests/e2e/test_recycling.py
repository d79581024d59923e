"""max_requests: workers are replaced under load, and no request is lost."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from corn_core.process.cpus import available_cpus, recommended_workers
from corn_testkit.client import Address, listens
from corn_testkit.fixtures import Serve
from corn_testkit.waiting import wait_for


def test_zero_never_replaces(serve: Serve) -> None:
    server = serve("--max-requests=0", "--max-requests-jitter=5", "probe:app")
    assert len({server.get("/pid") for _ in range(50)}) == 1
    server.stop()


def lives_in(log: str) -> dict[str, int]:
    """Count the requests that each worker had served when it asked to be replaced."""
    served: Counter[str] = Counter()
    lives = {}
    for pid, worn in re.findall(r"<(\d+)> served|\[(\d+)\] \[INFO\] Autorestarting", log):
        served[pid] += 1
        if worn:
            lives[worn] = served[worn]
    return lives


def test_jitter_differs_by_worker(serve: Serve, tmp_path: Path) -> None:
    """Eight workers that all draw the same of 0 to 60 would be one case in 10^12."""
    log, path = tmp_path / "log", tmp_path / "corn.sock"
    # Both logs in one file: what a worker had served when it asked to be replaced is above.
    logs = (f"--log-file={log}", f"--access-logfile={log}", "--access-logformat=%(p)s served")
    limits = ("--max-requests=1", "--max-requests-jitter=60")
    server = serve(*logs, *limits, "probe:app", bind=(f"unix:{path}",), wait=False)
    wait_for(lambda: listens(Address(f"unix:{path}")), "the server to listen")
    lives: dict[str, int] = {}
    while len(lives) < 8:
        Address(f"unix:{path}").request("GET", "/")
        lives = lives_in(log.read_text())
    assert len(set(lives.values())) > 1
    assert all(1 <= count <= 61 for count in lives.values())
    server.stop()


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_load_sees_no_error(serve: Serve) -> None:
    server = serve("--workers=2", "--max-requests=100", "probe:app")
    server.get()
    command = ["wrk", "-t1", "-c16", "-d3s", "-H", "Connection: close", server.address.url]
    report = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    requests = re.search(r"(\d+) requests in", report)
    assert requests and int(requests[1]) > 200, report
    assert "Socket errors" not in report, report
    assert "Non-2xx" not in report, report
    server.wait_for_log("Autorestarting worker", count=2)
    server.stop()


def test_auto_is_a_number_of_workers(serve: Serve) -> None:
    server = serve("--workers=auto", "probe:app")
    assert len(server.wait_for_workers(recommended_workers(available_cpus()))) >= 3
    server.stop()
