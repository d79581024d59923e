"""`make` says clearly what is wrong with what it is given, and runs what its targets promise."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAKEFILE = ROOT / "Makefile"

# A Python that believes something of itself before it runs the code it is given.
PRETENDER = """\
#!/bin/sh
case "$1" in
-V) echo "Python 3.9.2" ;;
-c) exec {python} -c "import sys; {belief}
$2" ;;
*) echo "make goes on with a bad Python" >&2; exit 99 ;;
esac
"""


def make(directory: Path, python: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(MAKEFILE, directory)
    command = ["make", "--no-print-directory", f"PYTHON={python}", "serve"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)


def pretender(directory: Path, belief: str) -> str:
    script = directory / "python"
    script.write_text(PRETENDER.format(python=sys.executable, belief=belief))
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("belief", "message"),
    [
        ("sys.version_info = (3, 9, 2)", "corn needs Python 3.11 or newer, and .* is Python 3.9.2"),
        ("sys.modules['ensurepip'] = None", "has no venv module; .*apt-get install python3-venv"),
    ],
)
def test_unfit_python(tmp_path: Path, belief: str, message: str) -> None:
    outcome = make(tmp_path, pretender(tmp_path, belief))
    assert outcome.returncode != 0
    assert re.search(message, outcome.stderr), outcome.stderr
    assert not (tmp_path / ".venv").exists()


def test_missing_python(tmp_path: Path) -> None:
    outcome = make(tmp_path, str(tmp_path / "nothing"))
    assert outcome.returncode != 0
    assert "does not run; name a Python 3.11 or newer" in outcome.stderr


def dry(target: str, *arguments: str) -> str:
    """Return the commands that make would run, without running them."""
    command = ["make", "--no-print-directory", "--dry-run", target, *arguments]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout


def targets() -> list[str]:
    match = re.search(r"^\.PHONY: (.*)$", MAKEFILE.read_text(), re.M)
    assert match
    return match[1].split()


def test_help_and_contributing_tell_of_every_target() -> None:
    told = set(re.findall(r"make ([\w-]+)", dry("help")))
    assert told == {*targets()} - {"help"}
    pages = (ROOT / "CONTRIBUTING.md").read_text()
    everyday = {"fix", "lint", "quick", "test", "full", "docs", "profile"}
    assert everyday <= set(re.findall(r"make ([\w-]+)", pages))


@pytest.mark.parametrize("target", ["quick", "test", "full"])
def test_tests_come_after_lint_and_types(target: str) -> None:
    lines = dry(target, "ARGS=-k nothing").splitlines()
    steps = [line for line in lines if re.search(r"bin/ruff|bin/mypy|pytest -n", line)]
    programs = [re.findall(r"bin/(\w+)", step) for step in steps]
    assert programs == [["ruff"], ["ruff"], ["mypy"], ["python"]]
    assert steps[-1].endswith("-k nothing")


def test_serve_installs_what_it_serves_with() -> None:
    installed = re.findall(r"--editable (\S+)", dry("serve", "--always-make"))
    assert installed == [".", "./plugins/corn-sync"]
    assert "./plugins/corn-gthread" in dry("test", "--always-make")


def test_only_full_runs_what_is_slow() -> None:
    assert '-m "not slow"' in dry("test")
    assert "slow" not in dry("full") and "CORN_FUZZING=long" in dry("full")


def test_profile_says_what_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "flame.py")]
    env = {**os.environ, "PATH": str(tmp_path)}
    outcome = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert outcome.stderr.startswith("error: wrk is not installed, which puts on the load")
    assert outcome.returncode == 1
