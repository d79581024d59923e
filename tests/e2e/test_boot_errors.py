"""A server that cannot start says so once, exits with the right status and leaves no trace."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from tests.e2e.own import APPS

STATUS_APP = 4
STATUS_BOOT = 3
STATUS_CONFIG = 1


def failed(server: Server, status: int) -> str:
    """Wait for a server that cannot start; return its log."""
    server.tracebacks_expected = True
    server.wait(status)
    return server.log


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nowhere:app", "nowhere"),
        ("probe:ap", "did you mean 'app'"),
        ("probe.py", "did you mean 'probe:app'"),
        ("no_app:number", "an int"),
        ("no_app:make()", "an int"),
        ("no_app:missing", "missing"),
        ("factory:create_app(open('x'))", "literals"),
        ("factory:create_app()", "create_app"),
        ("probe:", "nothing after the colon"),
        ("later:app", "which worker class 'sync' cannot serve"),
        ("later:make()", "which worker class 'sync' cannot serve"),
        ("factory:create_app", "did you mean 'factory:create_app(...)'?"),
        ("factory:make_app", "did you mean 'factory:make_app()'?"),
    ],
)
def test_application_that_cannot_be_loaded(serve: Serve, target: str, message: str) -> None:
    log = failed(serve(f"--pythonpath={APPS}", target, wait=False), STATUS_APP)
    assert message in log
    assert log.count("Traceback") <= 1


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["workers", "preload"])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import missing_library\n", "No module named 'missing_library'"),
        ("def app(:\n", "SyntaxError"),
        ("raise ValueError('not today')\n", "ValueError: not today"),
        ("raise SystemExit(0)\n", "SystemExit"),
    ],
    ids=["import", "syntax", "raise", "exit"],
)
def test_broken_application_is_shown_once(
    serve: Serve, tmp_path: Path, source: str, message: str, preload: tuple[str, ...]
) -> None:
    (tmp_path / "broken.py").write_text(source)
    server = serve("--workers=3", *preload, "broken:app", cwd=tmp_path, wait=False)
    log = failed(server, STATUS_APP)
    assert message in log
    assert log.count('broken.py", line 1') == 1
    # No respawn: no more workers than were configured have been tried.
    assert log.count("Booting worker") <= 3


def test_worker_that_cannot_boot(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text("def post_worker_init(worker):\n    raise OSError('no licence')\n")
    log = failed(serve(f"--config={config}", "--workers=3", "probe:app", wait=False), STATUS_BOOT)
    assert "no licence" in log
    assert log.count("Booting worker") <= 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers=many"], r"workers: expected .*'many'.*--workers"),
        (["--workers=-1"], "workers: expected"),
        (["--timeout=soon"], "timeout: expected"),
        (["--limit-request-line=9000"], "limit_request_line: expected .* 8190"),
        (["--worker-class=gevnet"], r"'gevnet' is not known; did you mean 'gevent'\?"),
        (["--worker-class=synk"], "did you mean 'sync'"),
        (["--worker-class=nowhere.Worker"], "nowhere"),
        (["--logger-class=nowhere:Logger"], "nowhere"),
        (["--disable-plugin=statsd", "--statsd-host=h:1"], "the plugin corn-statsd, which is dis"),
        (["--wrokers=2"], "--workers"),
        (["--config=/nowhere/config.py"], "/nowhere/config.py"),
        (["--config=python:nowhere"], "nowhere"),
        (["--chdir=/nowhere"], "/nowhere"),
        (["--bind=nowhere.invalid:0"], "nowhere.invalid"),
        (["--bind=127.0.0.1:99999"], "99999"),
        (["--bind=unix:/nowhere/at.sock"], "/nowhere/at.sock"),
        (["--access-logformat=%(x"], "access_log_format"),
        (["--header-map=maybe"], "header_map: expected"),
        (["--env=NOVALUE"], "raw_env: expected"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_bad_setting_is_one_line(serve: Serve, arguments: list[str], message: str) -> None:
    server = serve(*arguments, "probe:app", wait=False)
    server.wait(STATUS_CONFIG)
    assert re.search(message, server.log), server.log
    assert "Booting worker" not in server.log


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("workers = 'many'", r"workers: expected .*'many'.*config\.py line 1"),
        ("\n\nworkers = True", r"workers: expected .*config\.py line 3"),
        ("workers = (", r"config\.py.*line 1"),
        ("import os\n1/0", r"config\.py.*line 2.*ZeroDivisionError"),
        ("pre_fork = 3", "pre_fork"),
        ("def pre_fork(): pass", "pre_fork"),
        ("statsd_host = 'localhost'", r"statsd_host: expected HOST:PORT .*config\.py line 1"),
    ],
)
def test_bad_config_file_is_one_line(serve: Serve, tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "config.py"
    config.write_text(text)
    server = serve(f"--config={config}", "probe:app", wait=False)
    server.wait(STATUS_CONFIG)
    assert re.search(message, server.log), server.log
    assert "Booting worker" not in server.log


def test_no_application(serve: Serve) -> None:
    server = serve(wait=False)
    server.wait(STATUS_CONFIG)
    assert "no application to serve" in server.log


def test_address_in_use(serve: Serve, tmp_path: Path) -> None:
    """All addresses or none: the free one is let go, and the pidfile does not stay."""
    free, pidfile = tmp_path / "free.sock", tmp_path / "pid"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        bind = (f"unix:{free}", address)
        server = serve(f"--pid={pidfile}", "probe:app", bind=bind, wait=False)
        server.wait(STATUS_CONFIG)
    assert server.log.count("Connection in use") == 5
    assert server.log.count("Retrying in 1 second.") == 4
    assert not free.exists()
    assert not pidfile.exists()


def test_application_that_never_finishes_loading(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("while True:\n    pass\n")
    server = serve("--boot-timeout=1", "endless:app", cwd=tmp_path, wait=False)
    log = failed(server, STATUS_BOOT)
    assert "endless.py" in log
    assert "did not boot within" in log


def test_application_that_keeps_dying_is_not_respawned_in_a_rush(
    serve: Serve, tmp_path: Path
) -> None:
    """Its worker boots, and then dies; each attempt waits longer than the one before."""
    (tmp_path / "dying.py").write_text(
        "import os, threading\n"
        "def app(environ, start_response): pass\n"
        "threading.Timer(0.05, os._exit, (9,)).start()\n"
    )
    server = serve("dying:app", cwd=tmp_path)
    server.wait_for_log("Booting worker", count=4)
    assert server.process.poll() is None
    server.stop()
    # Without a pause there would be dozens by now.
    assert server.log.count("Booting worker") < 10
