"""Runs the scenarios one after another, each with load of its own, and tells the figures."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from signal import SIGHUP
from typing import NamedTuple

from corn_testkit.server import Server
from corn_testkit.waiting import alive, wait_for
from tests.soak.load import Load, Tally
from tests.soak.measure import Holdings, holdings
from tests.soak.scenarios import PATIENCE, SCENARIOS, served

HERE = Path(__file__).parent
CLIENTS = {"kept": 4, "new": 4}

OPTIONS = {
    "recycling": ("--max-requests=50",),
}

# A worker is idle now and then only if no client keeps a connection to it.
FEWER_CLIENTS = {
    "SIGKILL of an idle worker": {"kept": 0, "new": 1},
}

FULL = {
    "HUP": 20,
    "TTIN and TTOU": 30,
    "recycling": 40,
    "upgrade and rollback": 3,
    "SIGKILL of an idle worker": 10,
}
SHORT = dict.fromkeys(FULL, 2)


class Outcome(NamedTuple):
    """The outcome of one scenario."""

    name: str
    times: int
    tally: Tally


@contextmanager
def running(*options: str) -> Iterator[tuple[Server, Path]]:
    """Start a server with two workers; yields it and its temporary directory."""
    home = Path(tempfile.mkdtemp(prefix="soak-"))
    (home / "tmp").mkdir()
    arguments = [
        *("--bind=127.0.0.1:0", "--workers=2", "--keep-alive=30"),
        *(
            "--worker-class=corn_testkit.apps.keepalive.KeepAliveWorker",
            f"--pid={home / 'pid'}",
            *options,
            "app:app",
        ),
    ]
    server = Server(home, arguments, HERE, {"TMPDIR": str(home / "tmp")}).started()
    try:
        server.wait_for_workers(2)
        yield server, home / "tmp"
        server.stop()
        server.check_log()
    except BaseException:
        server.kill()  # which shows its log
        raise
    finally:
        shutil.rmtree(home)


def under_load(name: str, times: int) -> Outcome:
    """Run one scenario; the clients go on for a while before it and after it."""
    with running(*OPTIONS.get(name, ())) as (server, _):
        load = Load(server.address, **FEWER_CLIENTS.get(name, CLIENTS))
        served(load, 100)
        SCENARIOS[name](server, load, times)
        served(load, 100)
        return Outcome(name, times, load.stop())


def growth_of_master(times: int) -> Holdings:
    """Return what the master holds after so many reloads beyond what it held after three."""
    with running() as (server, tmp_dir):
        for _ in range(3):
            reload(server)
        begun = holdings(server.pid, tmp_dir)
        for _ in range(times):
            reload(server)
        return holdings(server.pid, tmp_dir).growth(begun)


def reload(server: Server) -> None:
    old = server.wait_for_workers(2)
    server.signal(SIGHUP)
    wait_for(lambda: not any(map(alive, old)), "the old workers to end", PATIENCE)
    server.wait_for_workers(2)


def outcomes(counts: Mapping[str, int]) -> Iterator[Outcome]:
    for name, times in counts.items():
        yield under_load(name, times)
