"""Servers whose workers grow, or grow old."""

from __future__ import annotations

import re
from pathlib import Path

from corn_testkit.fixtures import Serve
from corn_testkit.waiting import alive, wait_for

APPS = Path(__file__).parent / "apps"


def test_worker_that_grows_is_replaced(serve: Serve) -> None:
    server = serve("--max-worker-memory=100M", "growing:app", cwd=APPS)
    first = server.get("/pid")
    server.get("/grow")
    server.wait_for_log(rf"Worker \(pid:{first}\) holds \d+ MiB of memory; it will be replaced")
    wait_for(lambda: server.get("/pid") != first, "the replacement")
    wait_for(lambda: not alive(int(first)), "the large worker to end")
    server.stop()


def test_workers_of_age_are_replaced_one_by_one(serve: Serve) -> None:
    server = serve("--workers=2", "--max-worker-lifetime=1", "probe:app")
    first = server.wait_for_workers(2)
    wait_for(lambda: not any(map(alive, first)), "both to be replaced", 60)
    assert len(server.workers()) >= 2
    # The old one is told to go only when the new one has booted.
    order = re.findall(r"Booting worker with pid: (\d+)|Worker exiting \(pid: (\d+)\)", server.log)
    assert [bool(booted) for booted, _ in order[:5]] == [True, True, True, False, True]
    server.stop()
