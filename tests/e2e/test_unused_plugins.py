"""Plugins that are installed but not used cost nothing that a user would notice."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.launcher import SWITCH
from corn_testkit.server import run

ROOT = Path(__file__).parents[2]
MANIFESTS = sorted(ROOT.glob("plugins/*/pyproject.toml"))

LIGHT = {"corn-core", "corn_core"}

HOOKS = """
import json, sys

def told(name):
    return f"{name}: {json.dumps(sorted(sys.modules))} {name}."

def when_ready(server):
    server.log.info("%s", told("master"))

def post_worker_init(worker):
    worker.log.info("%s", told("worker"))
    bound = [name for name in ("pre_request", "post_request", "request_refused")
             if worker.hooks.bind(name)]
    worker.log.info("bound: %s.", bound)
"""


def libraries() -> Iterator[tuple[str, str]]:
    """For each library that a plugin requires: the plugin, and a module of the library."""
    modules: dict[str, list[str]] = {}
    for module, owners in packages_distributions().items():
        for owner in owners:
            modules.setdefault(owner.lower().replace("_", "-"), []).append(module)
    for manifest in MANIFESTS:
        project = tomllib.loads(manifest.read_text())["project"]
        for requirement in project["dependencies"]:
            match = re.match(r"[\w.-]+", requirement)
            assert match
            name = match[0].lower()
            if name not in LIGHT:
                for module in modules.get(name, []):
                    yield project["name"], module


@pytest.fixture(scope="module")
def of_libraries() -> set[str]:
    """Return the modules of libraries that the plugins require."""
    # Those that are there when the interpreter starts do not count: *.pth files import them.
    command = [sys.executable, "-c", "import sys; print(*sys.modules)"]
    at_start = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    found = [each for each in libraries() if each[1] not in at_start]
    assert {"corn-prometheus", "corn-watchfiles"} <= {plugin for plugin, _ in found}
    return {module for _, module in found}


def test_no_library_is_imported_and_no_request_hook_called(
    serve: Serve, tmp_path: Path, of_libraries: set[str]
) -> None:
    config = tmp_path / "hooks.py"
    config.write_text(HOOKS)
    server = serve(f"--config={config}", "-k", "sync", "probe:app")
    for process in ("master", "worker"):
        line = server.wait_for_log(rf"{process}: (\[.*\]) {process}\.")[1]
        imported = {name.partition(".")[0] for name in json.loads(line)}
        assert "corn_core" in imported
        assert imported & of_libraries == set()
    server.wait_for_log(r"bound: \[\]\.")


@pytest.mark.parametrize("command", ["--help", "--version"])
def test_commands_import_no_library(command: str, tmp_path: Path, of_libraries: set[str]) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, sys\n"
        "atexit.register(lambda: print('\\nimported:', *sorted(sys.modules), file=sys.stderr))\n"
    )
    # Not through the fork server, which has run its own sitecustomize.
    outcome = run(command, env={"PYTHONPATH": str(tmp_path), SWITCH: "no"})
    assert outcome.returncode == 0
    imported = outcome.stderr.partition("imported: ")[2].split()
    assert "corn_core" in imported
    tops = {name.partition(".")[0] for name in imported}
    assert tops & of_libraries == set()


def test_the_help_fits_a_terminal() -> None:
    outcome = run("--help", "all", env={"COLUMNS": "100"})
    assert outcome.returncode == 0
    assert max(map(len, outcome.stdout.splitlines())) <= 100
    # Every setting is named once, under the plugin that brings it.
    flags = re.findall(r"^  (?:-\w, )?(--[\w-]+)", outcome.stdout, re.M)
    assert len(flags) == len(set(flags)) > 50
