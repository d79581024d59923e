"""SIGHUP: the new configuration and the new code take over, or the old ones stay."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import partial
from pathlib import Path
from signal import SIGHUP, SIGTERM, SIGTTIN

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.waiting import alive, have_ended, wait_for

APP = """
import os

def app(environ, start_response):
    body = ("%s " + str(os.getpid()) + " " + os.environ.get("COLOUR", "-")).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


class Site:
    """A directory with an application and a config file, which tests rewrite."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.code("one")

    def code(self, version: str) -> None:
        (self.directory / "site_app.py").write_text(APP % version)

    def broken(self) -> None:
        (self.directory / "site_app.py").write_text("def app(:\n")

    def config(self, text: str) -> None:
        (self.directory / "corn.conf.py").write_text(text)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def version(server: Server) -> str:
    return server.get().split()[0]


def test_new_code_takes_over(serve: Serve, site: Site) -> None:
    server = serve("--workers=2", "site_app:app", cwd=site.directory)
    old = server.wait_for_workers(2)
    assert version(server) == "one"
    site.code("two")
    server.signal(SIGHUP)
    server.wait_for_log("Handling signal: hup")
    server.wait_for_log("Hang up: Master")
    wait_for(lambda: not any(map(alive, old)), "the old workers to end")
    server.wait_for_workers(2)
    assert {version(server) for _ in range(10)} == {"two"}
    server.stop()


def test_stuck_old_worker_is_killed_after_graceful_timeout(serve: Serve, gate: Gate) -> None:
    server = serve("--graceful-timeout=1", "--timeout=0", "probe:app")
    (old,) = server.wait_for_workers(1)
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGHUP)
        wait_for(lambda: not alive(old), "the stuck worker to be killed")
    assert server.get() == "hello"
    server.stop()


def test_broken_code_keeps_the_old_workers(serve: Serve, site: Site) -> None:
    server = serve("--workers=2", "site_app:app", cwd=site.directory)
    server.tracebacks_expected = True
    old = server.wait_for_workers(2)
    version(server)
    site.broken()
    server.signal(SIGHUP)
    server.wait_for_log("SyntaxError")
    server.wait_for_log("Reload failed")
    assert server.wait_for_workers(2) == old
    assert version(server) == "one"
    assert server.log.count("\nSyntaxError") == 1
    site.code("two")
    server.signal(SIGHUP)
    wait_for(lambda: version(server) == "two", "the repaired code")
    server.stop()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("workers = 'many'", "workers: expected a whole number"),
        ("workers = (", r"corn\.conf\.py"),
        ("raise RuntimeError('no')", "RuntimeError"),
        ("worker_class = 'gevnet'", "did you mean 'gevent'?"),
        ("bind = 'unix:/nowhere/at/all.sock'", "/nowhere/at/all.sock"),
    ],
)
def test_bad_configuration_keeps_everything(
    serve: Serve, site: Site, config: str, message: str
) -> None:
    path = site.directory / "site.sock"
    good = f"bind = 'unix:{path}'\n"
    site.config(good)
    # No address on the command line, which would beat the config file's.
    server = serve("site_app:app", bind=(), cwd=site.directory)
    server.tracebacks_expected = True
    assert version(server) == "one"
    old = server.wait_for_workers(1)
    site.config(good + config)
    server.signal(SIGHUP)
    server.wait_for_log(message)
    server.wait_for_log("Reload failed")
    assert version(server) == "one"
    assert server.workers() == old
    site.config(good + "workers = 2")
    server.signal(SIGHUP)
    server.wait_for_workers(2)
    server.stop()


def test_failure_is_logged_where_the_server_goes_on_logging(serve: Serve, site: Site) -> None:
    good = f"bind = 'unix:{site.directory}/site.sock'\n"
    site.config(good)
    server = serve("site_app:app", bind=(), cwd=site.directory)
    site.config("bind = 'unix:/nowhere/at/all.sock'\nerrorlog = 'new.log'")
    server.signal(SIGHUP)
    server.wait_for_log("Reload failed")
    assert "cannot listen on unix:/nowhere/at/all.sock" in server.log
    assert "cannot listen" not in (site.directory / "new.log").read_text()
    server.stop()


def test_number_of_workers_is_configured_anew(serve: Serve, site: Site) -> None:
    site.config("workers = 1")
    server = serve("site_app:app", cwd=site.directory)
    server.wait_for_workers(1)
    site.config("workers = 3")
    server.signal(SIGHUP)
    server.wait_for_workers(3)
    site.config("workers = 2")
    server.signal(SIGHUP)
    server.wait_for_workers(2)
    server.stop()


def test_adjusted_number_survives_unless_configured_anew(serve: Serve, site: Site) -> None:
    site.config("workers = 1")
    server = serve("site_app:app", cwd=site.directory)
    server.wait_for_workers(1)
    server.signal(SIGTTIN)
    old = server.wait_for_workers(2)
    server.signal(SIGHUP)
    wait_for(lambda: not any(map(alive, old)), "the old workers to end")
    server.wait_for_workers(2)
    site.config("workers = 3")
    server.signal(SIGHUP)
    server.wait_for_workers(3)
    server.stop()


def test_new_address_opens_and_old_one_closes(serve: Serve, site: Site) -> None:
    old, new = site.directory / "old.sock", site.directory / "new.sock"
    site.config(f"bind = 'unix:{old}'")
    server = serve("site_app:app", bind=(), cwd=site.directory)
    assert version(server) == "one"
    site.config(f"bind = 'unix:{new}'")
    server.signal(SIGHUP)
    wait_for(lambda: not old.exists(), "the old socket to go")
    server.wait_for_log("Listening at: .*new.sock")
    assert version(server) == "one"
    server.stop()
    assert not new.exists()


def test_kept_address_goes_on_with_the_same_socket(serve: Serve, site: Site) -> None:
    path = site.directory / "kept.sock"
    site.config(f"bind = 'unix:{path}'")
    server = serve("site_app:app", bind=(), cwd=site.directory)
    (old,) = server.wait_for_workers(1)
    inode = path.stat().st_ino
    server.signal(SIGHUP)
    wait_for(lambda: not alive(old), "the old worker to end")
    assert path.stat().st_ino == inode
    assert version(server) == "one"
    server.stop()


def test_environment_is_configured_anew(serve: Serve, site: Site) -> None:
    site.config("raw_env = ['COLOUR=red']")
    server = serve("site_app:app", cwd=site.directory)
    assert server.get().endswith(" red")
    site.config("raw_env = ['COLOUR=blue']")
    server.signal(SIGHUP)
    wait_for(lambda: server.get().endswith(" blue"), "the new value")
    site.config("")
    server.signal(SIGHUP)
    wait_for(lambda: server.get().endswith(" -"), "the variable to be gone")
    server.stop()


def test_preloaded_code_is_not_reloaded(serve: Serve, site: Site) -> None:
    server = serve("--preload", "site_app:app", cwd=site.directory)
    old = server.get().split()[1]
    site.code("two")
    server.signal(SIGHUP)
    wait_for(lambda: server.get().split()[1] != old, "the new worker")
    assert version(server) == "one"
    server.stop()


def test_term_during_a_reload_stops(serve: Serve, site: Site) -> None:
    server = serve("--workers=2", "site_app:app", cwd=site.directory)
    server.wait_for_workers(2)
    server.signal(SIGHUP)
    server.signal(SIGTERM)
    server.wait(0)


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed")
def test_load_sees_no_error_while_workers_roll(serve: Serve) -> None:
    server = serve("--workers=2", "probe:app")
    server.get()
    old = server.wait_for_workers(2)
    command = ["wrk", "-t1", "-c8", "-d3s", "-H", "Connection: close", server.address.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as load:
        for round_ in range(1, 4):
            server.signal(SIGHUP)
            wait_for(partial(have_ended, old), "the old workers to end")
            old = server.wait_for_workers(2)
            server.wait_for_log("Hang up: Master", count=round_)
        report, _ = load.communicate()
    assert "requests in" in report
    assert "Socket errors" not in report, report
    assert "Non-2xx" not in report, report
    assert os.path.exists(f"/proc/{server.pid}")
    server.stop()


GATED = """
import time
from pathlib import Path

HERE = Path(__file__).parent
try:
    (HERE / "first").mkdir()
except FileExistsError:
    while not (HERE / "gate").exists():
        time.sleep(0.01)
    raise RuntimeError("broken meanwhile")


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""


def test_hup_while_some_workers_still_start(serve: Serve, tmp_path: Path) -> None:
    """Only one worker can load the application; the others, and those of the reload, cannot."""
    (tmp_path / "gated.py").write_text(GATED)
    server = serve("--workers=2", "gated", cwd=tmp_path)
    server.tracebacks_expected = True
    assert server.get() == "ok"
    # A worker that is told to end before it has said so never says it.
    server.wait_for_log("Booting worker with pid", count=2)
    server.signal(SIGHUP)
    server.wait_for_log("Booting worker with pid", count=4)
    (tmp_path / "gate").touch()
    server.wait_for_log("Reload failed; the server continues as it was")
    # The second worker of the start, or the one that is to take its place, fails as well.
    server.wait_for_log("A worker failed to boot", count=2)
    assert server.get() == "ok"
    server.stop()
