"""Programs that serve an application of their own, through ``corn_core.app``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from signal import SIGHUP, SIGTERM

import pytest

from corn_testkit.server import Server, run
from corn_testkit.waiting import wait_for
from tests.e2e.own import APPS

EMBEDDED = APPS / "embedded"
Embed = Callable[..., Server]


@pytest.fixture
def embed(tmp_path: Path) -> Iterator[Embed]:
    """A function that runs a program of these tests."""
    servers: list[Server] = []

    def start(program: str, *arguments: str, env: Mapping[str, str] | None = None) -> Server:
        server = Server(tmp_path, [program, *arguments], EMBEDDED, env, command=sys.executable)
        servers.append(server)
        return server.started()

    yield start
    for server in servers:
        server.kill()
        server.check_log()


def test_the_manuals_example(embed: Embed) -> None:
    server = embed("standalone.py", env={"TEST_PORT": "0"})
    assert server.get() == "Works fine"
    server.wait_for_workers((os.cpu_count() or 1) * 2 + 1)
    server.stop()


def test_settings_and_hooks_in_code(embed: Embed, tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.write_text("bind=127.0.0.1:0\nraw_env=GREETING=first\n")
    server = embed("custom.py", env={"SETTINGS": str(settings)})
    assert server.get() == "first"
    server.wait_for_log(r"hooked \d+")
    settings.write_text("bind=127.0.0.1:0\nraw_env=GREETING=second\n")
    server.signal(SIGHUP)
    server.wait_for_log(r"Worker exiting")
    wait_for(lambda: server.get() == "second", "the new configuration")


def test_a_reload_that_is_no_good_changes_nothing(embed: Embed, tmp_path: Path) -> None:
    settings = tmp_path / "settings"
    settings.write_text("bind=127.0.0.1:0\nraw_env=GREETING=first\n")
    server = embed("custom.py", env={"SETTINGS": str(settings)})
    settings.write_text("workers=none\n")
    server.signal(SIGHUP)
    server.wait_for_log(r"workers: expected .* got 'none' \(set in code\)")
    assert server.get() == "first"


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("wrkers=2", "error: there is no setting 'wrkers'; did you mean 'workers'? (set in code)"),
        ("workers=none", "error: workers: expected a whole number"),
        ("pre_fork=text", "error: pre_fork: expected a function"),
    ],
)
def test_bad_settings_end_with_one_line(tmp_path: Path, settings: str, complaint: str) -> None:
    path = tmp_path / "settings"
    path.write_text(settings)
    result = run("custom.py", cwd=EMBEDDED, env={"SETTINGS": str(path)}, command=sys.executable)
    assert result.returncode == 1
    assert result.stderr.startswith(complaint)
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("raises", "failed: RuntimeError: on purpose"),
        ("exits", "ended the process (SystemExit: on purpose)"),
    ],
)
def test_an_application_that_cannot_be_loaded(tmp_path: Path, how: str, reason: str) -> None:
    path = tmp_path / "settings"
    path.write_text("bind=127.0.0.1:0\n")
    env = {"SETTINGS": str(path), "BROKEN": how}
    result = run("custom.py", cwd=EMBEDDED, env=env, command=sys.executable)
    assert result.returncode == 4
    assert result.stderr.count("Traceback") == 1
    assert f"'Custom': load() {reason}" in result.stderr


def test_the_command_with_an_application_of_its_own(embed: Embed) -> None:
    server = embed("custom.py", "hi", "--workers=1")
    assert server.get() == "hi"
    server.wait_for_workers(1)


def test_its_commands(tmp_path: Path) -> None:
    result = run("custom.py", "--version", cwd=EMBEDDED, command=sys.executable)
    assert result.stdout.startswith("corn ")
    result = run("custom.py", "hi", "--print-config", cwd=EMBEDDED, command=sys.executable)
    assert "workers = 2  # framework settings" in result.stdout


# -- self.cfg in subclasses of Application -------------------------------------------------


def limit(tmp_path: Path, text: str) -> dict[str, str]:
    """Write the variable from which reading.py takes a setting, at every reload again."""
    path = tmp_path / "limit"
    path.write_text(text)
    return {"LIMIT": str(path)}


def test_cfg_is_the_finished_configuration_in_load(embed: Embed, tmp_path: Path) -> None:
    file = tmp_path / "conf.py"
    file.write_text("keepalive = 9\nmax_requests = 5\n")
    env = limit(tmp_path, "100")
    server = embed("reading.py", "-c", str(file), "--threads=1", env=env)
    # From init and load_config, overridden by the file and a flag, except what was set last.
    said = "workers=2 of 1 threads=1 keepalive=9 max_requests=100"
    assert server.get() == f"hello {said}"
    server.wait_for_log(r"hooked \d+")
    server.wait_for_workers(2)


def test_cfg_follows_a_reload(embed: Embed, tmp_path: Path) -> None:
    server = embed("reading.py", "-k", "gthread", env=limit(tmp_path, "100"))
    assert server.get() == "hello workers=2 of 1 threads=3 keepalive=7 max_requests=100"
    limit(tmp_path, "200")
    server.signal(SIGHUP)
    wait_for(lambda: "max_requests=200" in server.get(), "the new configuration")


@pytest.mark.parametrize(
    ("value", "directory", "complaint"),
    [
        ("none", ".", r"max_requests: expected .* got 'none' \(set in code\)"),
        # All values are good, and it is found out later that it cannot be used.
        ("200", "/nonexistent", r"chdir: cannot change to '/nonexistent'"),
    ],
)
def test_cfg_is_that_of_the_worker_after_a_reload_that_failed(
    embed: Embed, tmp_path: Path, value: str, directory: str, complaint: str
) -> None:
    file = tmp_path / "conf.py"
    file.write_text("")
    server = embed("reading.py", "-c", str(file), env=limit(tmp_path, "100"))
    file.write_text(f"chdir = {directory!r}\n")
    limit(tmp_path, value)
    server.signal(SIGHUP)
    server.wait_for_log(complaint)
    before = set(server.wait_for_workers(2))
    for pid in before:
        os.kill(pid, SIGTERM)
    wait_for(lambda: before.isdisjoint(server.workers()), "new workers")
    server.wait_for_workers(2)
    assert "max_requests=100" in server.get()


def test_an_application_reloads_itself(embed: Embed, tmp_path: Path) -> None:
    server = embed("reading.py", "twice", "-k", "gthread", env=limit(tmp_path, "100"))
    assert "max_requests=100" in server.get()


def test_a_bad_value_ends_with_one_line_when_the_object_is_made(tmp_path: Path) -> None:
    env = limit(tmp_path, "none")
    result = run("reading.py", cwd=EMBEDDED, env=env, command=sys.executable)
    assert result.returncode == 1
    assert result.stderr.startswith("error: max_requests: expected a whole number")
    assert len(result.stderr.splitlines()) == 1
