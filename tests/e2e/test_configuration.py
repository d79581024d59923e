"""The sources of settings, and which of them wins, seen from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import APPS, run
from tests.e2e.own import APPS as OWN_APPS


def printed(*arguments: str, cwd: Path = APPS, env: dict[str, str] | None = None) -> dict[str, str]:
    """Return what --print-config prints: setting -> "value  # origin"."""
    outcome = run("--print-config", *arguments, cwd=cwd, env=env)
    assert outcome.returncode == 0, outcome.stderr
    lines = [line.partition(" = ") for line in outcome.stdout.splitlines()]
    return {name: rest for name, _, rest in lines}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory with an application and a config file of the default name."""
    (tmp_path / "probe.py").write_text((APPS / "probe.py").read_text())
    (tmp_path / "corn.conf.py").write_text("\nworkers = 2\ntimeout = 20\nbacklog = 200\n")
    return tmp_path


def test_default(site: Path) -> None:
    (site / "corn.conf.py").unlink()
    assert printed("probe:app", cwd=site)["workers"] == "1  # default"


def test_config_file_beats_environment(site: Path) -> None:
    shown = printed("probe:app", cwd=site, env={"WEB_CONCURRENCY": "7"})
    assert shown["workers"] == "2  # corn.conf.py line 2"


def test_environment_beats_default(site: Path) -> None:
    (site / "corn.conf.py").unlink()
    shown = printed("probe:app", cwd=site, env={"WEB_CONCURRENCY": "7"})
    assert shown["workers"] == "7  # environment variable WEB_CONCURRENCY"


def test_command_arguments_variable_beats_config_file(site: Path) -> None:
    shown = printed("probe:app", cwd=site, env={"CORN_CMD_ARGS": "--workers 5 --name 'a b'"})
    assert shown["workers"].startswith("5  # CORN_CMD_ARGS")
    assert shown["proc_name"].startswith("'a b'")
    assert shown["timeout"].startswith("20")


def test_command_line_beats_everything(site: Path) -> None:
    shown = printed("-w", "6", "probe:app", cwd=site, env={"CORN_CMD_ARGS": "--workers 5"})
    assert shown["workers"] == "6  # flag -w"


def test_named_config_file_takes_the_place_of_the_default_one(site: Path) -> None:
    (site / "other.py").write_text("timeout = 11\n")
    for name in ("other.py", "file:other.py", f"file:{site}/other.py", "python:other"):
        shown = printed("-c", name, "probe:app", cwd=site)
        assert shown["timeout"].startswith("11"), name
        assert shown["workers"] == "1  # default"


def test_application_of_the_config_file(serve: Serve, site: Path) -> None:
    (site / "corn.conf.py").write_text("wsgi_app = 'probe:app'\n")
    server = serve(cwd=site)
    assert server.get() == "hello"
    server.stop()


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("factory", "default name"),
        ("factory:site.wsgi", "dotted"),
        ("factory:create_app('made')", "made"),
        ("factory:create_app('made', count=2)", "mademade"),
    ],
)
def test_application_names(serve: Serve, target: str, text: str) -> None:
    server = serve(target, cwd=OWN_APPS)
    assert server.get() == text
    server.stop()


def test_web_concurrency(serve: Serve) -> None:
    server = serve("probe:app", env={"WEB_CONCURRENCY": "2"})
    server.wait_for_workers(2)
    server.stop()


def test_empty_web_concurrency_is_none(serve: Serve) -> None:
    server = serve("probe:app", env={"WEB_CONCURRENCY": ""})
    server.wait_for_workers(1)
    server.stop()


def test_bad_web_concurrency_names_the_variable() -> None:
    outcome = run("--check-config", "probe:app", env={"WEB_CONCURRENCY": "lots"})
    assert outcome.returncode == 1
    assert "WEB_CONCURRENCY" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_near_miss_in_a_config_file_is_pointed_out(serve: Serve, site: Path) -> None:
    (site / "corn.conf.py").write_text("import os\nworker = 3\nhelper = 1\n")
    server = serve("probe:app", cwd=site)
    server.wait_for_log(r"\[WARNING\] .*worker\b.*workers")
    server.wait_for_workers(1)
    server.stop()
    assert "helper" not in server.log


def test_config_file_sees_its_own_path(site: Path) -> None:
    (site / "corn.conf.py").write_text("proc_name = __file__\n")
    assert str(site / "corn.conf.py") in printed("probe:app", cwd=site)["proc_name"]


def test_example_config_file_works() -> None:
    examples = Path(__file__).parents[2] / "examples"
    shown = printed("--chdir", str(examples), "-c", f"{examples}/corn.conf.py", "hello:app")
    assert shown["max_requests"].startswith("10000")
