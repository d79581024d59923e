"""Runs the conformance suite for a worker class, from a test of that worker's distribution."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SUITE = Path(__file__).with_name("suite")

LONGEST = 900.0
"""Seconds after which a run is given up; a healthy one takes about a minute."""


SHARES = 2
"""Processes that run a share of the suite each, side by side. Its tests mostly wait."""


def run(worker: str, *options: str) -> None:
    """Run the suite, and fail with its report when the worker does not pass.

    :param worker: as ``-k`` of corn takes it: an entry point's name, or a path.
    :param options: more of each server's command line, such as ``--threads=4``.
    """
    modules = sorted(path.name for path in SUITE.glob("test_*.py"))
    with ThreadPoolExecutor(SHARES) as pool:
        shares = [
            pool.submit(outcome, worker, *options, arguments=tuple(modules[start::SHARES]))
            for start in range(SHARES)
        ]
        failures = [share.result() for share in shares if share.result().returncode]
    if failures:
        report = "\n".join(f"{done.stdout}{done.stderr}" for done in failures)
        pytest.fail(f"worker {worker} does not conform\n{report}", pytrace=False)


def outcome(
    worker: str, *options: str, arguments: tuple[str, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Run the suite in a process of its own, which the caller's pytest does not configure.

    :param arguments: for pytest; tests to run instead of all, such as ``test_hooks.py::NAME``.
    """
    command = [sys.executable, "-m", "pytest", *given(worker, *options)]
    return subprocess.run(
        [*command, *(arguments or (".",))],
        cwd=SUITE,
        env=surroundings(),
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )


def given(worker: str, *options: str) -> list[str]:
    """List the arguments of pytest that make it run the suite for a worker."""
    return [
        *("-c", "pytest.ini", "-p", "no:cacheprovider", "-p", "corn_testkit.pytest_plugin"),
        *("-rsfE", "--tb=short", "--maxfail=10", f"--corn-worker={worker}"),
        *(f"--corn-option={option}" for option in options),
    ]


def surroundings() -> dict[str, str]:
    """Make the environment of such a run."""
    # A class given by its path is looked for where the caller is, and not in the suite.
    path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
    # The suite needs no other plugin, and to import all that are installed takes seconds.
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": ""}
    env = {**os.environ, **plugins, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}
    # pytest keeps the assertions that it rewrites, which takes longer than to run most tests.
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    return env
