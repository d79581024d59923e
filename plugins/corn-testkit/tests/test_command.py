"""The command: options, skips and what it says of mistakes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from corn_testkit.conformance import outcome, run

ONLY_THE_KIT = {
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "corn_testkit.pytest_plugin",
}
"""Variables that keep pytest from importing all plugins there are, which takes a second."""


def suite(
    *arguments: str, cwd: Path, env: Mapping[str, str] = ONLY_THE_KIT
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    env = {**os.environ, **env}
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def test_command_of_the_documentation(tmp_path: Path) -> None:
    """From anywhere, and with the class given by its path from there."""
    (tmp_path / "mine.py").write_text(
        "from corn_testkit.apps.keepalive import KeepAliveWorker\n"
        "class MyWorker(KeepAliveWorker):\n"
        "    pass\n"
    )
    module = "corn_testkit.suite.test_listeners"
    done = suite("--pyargs", module, "--corn-worker", "mine.MyWorker", cwd=tmp_path, env={})
    assert "corn worker: mine.MyWorker (mine.MyWorker), declares keepalive" in done.stdout
    assert "3 passed" in done.stdout
    assert done.returncode == 0


def test_worker_has_to_be_named(tmp_path: Path) -> None:
    done = suite("--pyargs", "corn_testkit", cwd=tmp_path)
    assert "the conformance suite needs a worker: --corn-worker NAME" in done.stderr
    assert done.returncode == 4


def test_suite_is_no_part_of_other_runs(tmp_path: Path) -> None:
    """A run of the repository, which has the kit's sources below it, does not run the suite."""
    done = suite("--collect-only", "-q", str(Path(__file__).parents[1] / "src"), cwd=tmp_path)
    assert "no tests collected" in done.stdout
    assert done.returncode == 5


def test_unknown_worker() -> None:
    done = outcome("nonsense")
    assert "ERROR: --corn-worker: error: worker class 'nonsense'" in done.stderr
    assert done.returncode == 4


def test_options_reach_the_server() -> None:
    done = outcome("sync", "--limit-request-line=none")
    assert "ERROR: --corn-worker: error: limit_request_line" in done.stderr
    assert done.returncode == 4


def test_skip_gives_its_reason() -> None:
    done = outcome("sync", arguments=("test_concurrency.py",))
    assert "worker sync does not declare concurrency" in done.stdout
    assert done.returncode == 0


def test_failures_are_shown() -> None:
    with pytest.raises(pytest.fail.Exception) as failure:
        run("nonsense")
    assert "worker nonsense does not conform" in str(failure.value)
    assert "worker class 'nonsense'" in str(failure.value)
