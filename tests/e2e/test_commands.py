"""Commands that answer and end: help, version, listing, checking."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from corn_core import __version__
from corn_testkit.fixtures import Serve
from corn_testkit.server import COMMAND, environment, run
from corn_testkit.waiting import DEADLINE, session_members
from tests.e2e.own import APPS


@pytest.mark.parametrize("flag", ["--version", "-v"])
def test_version(flag: str) -> None:
    outcome = run(flag)
    assert (outcome.returncode, outcome.stdout) == (0, f"corn {__version__}\n")


@pytest.mark.parametrize("command", ["-h all", "--version", "--plugins", "--print-config shop:app"])
def test_reader_that_has_seen_enough_is_no_error(tmp_path: Path, command: str) -> None:
    (tmp_path / "shop.py").write_text("def app(environ, start_response): ...\n")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        outcome = subprocess.run(
            [COMMAND, *command.split()],
            cwd=tmp_path,
            env=environment({}),
            stdin=subprocess.DEVNULL,
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=DEADLINE * 2,
        )
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(flag: str) -> None:
    outcome = run(flag)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert len(outcome.stdout.splitlines()) <= 40
    assert "--bind ADDRESS" in outcome.stdout and "corn -h all" in outcome.stdout


def test_manual() -> None:
    outcome = run("--man")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith(".TH CORN 1 ")
    assert '.SS "Plugin static: Static Files"' in outcome.stdout


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_manual_is_well_formed() -> None:
    format_it = ["groff", "-K", "utf8", "-T", "utf8", "-man", "-ww", "-z"]
    outcome = subprocess.run(
        format_it,
        input=run("--man").stdout,
        capture_output=True,
        text=True,
        timeout=DEADLINE * 2,
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [("--help", "all"), ("-h", "all"), ("--help=all",)])
def test_all_of_the_help(arguments: tuple[str, ...]) -> None:
    outcome = run(*arguments)
    assert outcome.returncode == 0
    for expected in ("--bind", "-w", "--limit-request-field_size", "Worker Processes", "Security"):
        assert expected in outcome.stdout
    assert outcome.stderr == ""


def test_plugins() -> None:
    outcome = run("--plugins")
    assert outcome.returncode == 0
    rows = [re.split(r" {2,}", line) for line in outcome.stdout.splitlines()]
    assert ["corn-sync", __version__, "corn.workers", "sync"] in [row[:4] for row in rows]
    assert ["corn-core", __version__, "corn.loggers", "simple"] in [row[:4] for row in rows]
    assert ["corn-core", __version__, "corn.loaders", "wsgi"] in [row[:4] for row in rows]


def test_check_config_accepts() -> None:
    outcome = run("--check-config", "probe:app")
    assert (outcome.returncode, outcome.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers=none", "probe:app"], "workers: expected"),
        (["nowhere:app"], "nowhere"),
        (["probe:missing"], "missing"),
        (["--pythonpath=/nowhere", "nowhere:app"], "nowhere"),
        ([], "no application"),
        ([f"--pythonpath={APPS}", "factory:make_app"], "did you mean 'factory:make_app()'?"),
        ([f"--pythonpath={APPS}", "later:app"], "which worker class 'sync' cannot serve"),
    ],
)
def test_check_config_refuses(arguments: list[str], message: str) -> None:
    outcome = run("--check-config", *arguments)
    assert outcome.returncode == 1
    assert message in outcome.stderr


def test_check_config_reports_everything_at_once(tmp_path: Path) -> None:
    (tmp_path / "site.py").write_text(
        "workers = 'x'\npreload = True\nhttp_protocols = 'h2'\n"
        "worker_class = 'egg:gunicorn#sync'\n"
        "def when_ready(a, b): ...\n"
        "def on_exit(): ...\n"
    )
    arguments = ("--check-config", "-c", "site.py", "--bnd=x", "nowhere:app")
    outcome = run(*arguments, cwd=tmp_path, env={"CORN_DISABLE_PLUGINS": "gunicorn"})
    assert outcome.returncode == 1
    assert outcome.stderr.splitlines() == [
        "error: there is no flag --bnd; did you mean '--bind'?",
        "error: workers: expected a whole number of at least 1, or auto, got 'x' (site.py line 1)",
        "ignored: 'preload' is neither a setting nor a hook; did you mean 'preload_app'?"
        " (site.py line 2)",
        "ignored: http_protocols is a setting of Gunicorn that corn does not have (site.py line 3)",
        "    pip install corn-gunicorn, and corn --check-config says what to do instead",
        "note: worker_class 'egg:gunicorn#sync' is taken for 'sync' (site.py line 4)",
        f"error: when_ready: expected a function of 1 argument (server), got when_ready(a, b)"
        f" ({tmp_path}/site.py line 5)",
        f"error: on_exit: expected a function of 1 argument (server), got on_exit()"
        f" ({tmp_path}/site.py line 6)",
        f"error: 'nowhere:app': there is no module 'nowhere' in {tmp_path} nor elsewhere on the"
        " search path (see --chdir, --pythonpath)",
        "5 refused, 2 ignored",
    ]


def test_check_config_as_json(tmp_path: Path) -> None:
    (tmp_path / "noisy.py").write_text("print('hello')\ndef app(environ, start_response): ...\n")
    outcome = run("--check-config", "--json", "--workers=x", "noisy:app", cwd=tmp_path)
    assert outcome.returncode == 1
    assert json.loads(outcome.stdout) == {
        "findings": [
            {
                "level": "error",
                "name": "workers",
                "text": "workers: expected a whole number of at least 1, or auto, got 'x'",
                "instead": "",
                "origin": "flag --workers",
            }
        ]
    }
    alone = run("--json", "noisy:app", cwd=tmp_path)
    text = "error: --json is the form of a report; give it with --check-config\n"
    assert (alone.returncode, alone.stderr) == (1, text)
    fine = run("--check-config", "--json", "noisy:app", cwd=tmp_path)
    assert (fine.returncode, json.loads(fine.stdout)) == (0, {"findings": []})


def test_check_config_notices_what_only_another_server_reads(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 2\n")
    (tmp_path / "shop.py").write_text("def app(environ, start_response): ...\n")
    outcome = run("--check-config", "shop:app", cwd=tmp_path)
    text = "gunicorn.conf.py is not read; corn -c gunicorn.conf.py reads it"
    assert (outcome.returncode, outcome.stderr) == (1, f"ignored: {text}\n")
    named = run("--check-config", "-c", "gunicorn.conf.py", "shop:app", cwd=tmp_path)
    assert (named.returncode, named.stderr) == (0, "")


def test_check_config_looks_in_pythonpath(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("def app(environ, start_response): ...\n")
    assert run("--check-config", f"--pythonpath={tmp_path}", "elsewhere:app").returncode == 0
    assert run("--check-config", f"--chdir={tmp_path}", "elsewhere:app").returncode == 0


def test_check_config_binds_and_writes_nothing(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        bind = f"--bind=127.0.0.1:{port}"
        outcome = run("--check-config", bind, f"--pid={pidfile}", "probe:app")
    assert outcome.returncode == 0
    assert not pidfile.exists()


def test_print_config_shows_values_with_origins(tmp_path: Path) -> None:
    config = tmp_path / "config.py"
    config.write_text("timeout = 12\n\n\ndef when_ready(server): ...\n")
    outcome = run("--print-config", "-c", str(config), "--workers=3", "probe:app")
    assert outcome.returncode == 0
    lines = outcome.stdout.splitlines()
    assert "workers = 3  # flag --workers" in lines
    assert any(re.match(r"timeout = 12(\.0)?  # .*config\.py line 1", line) for line in lines)
    assert any(re.match(r"when_ready = .*config\.py", line) for line in lines)
    assert any(line.startswith("keepalive = ") and line.endswith("# default") for line in lines)


def test_answers_leave_no_process_behind(serve: Serve) -> None:
    server = serve("--print-config", "probe:app", wait=False)
    server.wait(0)
    assert session_members(server.pid) == []
