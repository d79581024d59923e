"""A plugin that was begun from the template works as it is, and mistakes are named."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from corn_testkit.__main__ import main
from corn_testkit.conformance import run
from corn_testkit.template import GROUPS, write_plugin
from corn_testkit.waiting import DEADLINE


def installed(home: Path, *plugins: Path) -> Path:
    """Build the wheels of distributions and unpack them into a directory, as pip does.

    pip would start four processes for each, and do nothing else for what is purely Python.
    """
    target = home / "site"
    for plugin in plugins:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(home)]
        subprocess.run(build, cwd=plugin, check=True, capture_output=True, timeout=DEADLINE * 4)
    for wheel in home.glob("*.whl"):
        ZipFile(wheel).extractall(target)
    return target


@pytest.mark.parametrize("kind", GROUPS)
def test_result_is_complete(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new-plugin", kind, "my-own"]) == 0
    assert "pip install -e './corn-my-own[test]'" in capsys.readouterr().out
    home = tmp_path / "corn-my-own"
    written = [path for path in home.rglob("*") if path.is_file()]
    unfilled = re.compile(r"@(?!hookimpl)")
    assert not any(unfilled.search(f"{path} {path.read_text()}") for path in written)
    manifest = tomllib.loads((home / "pyproject.toml").read_text())["project"]
    assert manifest["name"] == "corn-my-own"
    assert manifest["dependencies"] == ["corn-core~=0.1.0"]
    ((name, target),) = manifest["entry-points"][GROUPS[kind]].items()
    assert name == "my-own"
    module, _, attribute = target.partition(":")
    source = (home / "src" / module.replace(".", "/")).with_suffix(".py").read_text()
    assert f"class {attribute}" in source if attribute else "@hookimpl" in source


def test_results_pass_their_own_tests(tmp_path: Path) -> None:
    """The suite, which is in a worker's tests too, has a test of its own below."""
    homes = [write_plugin(kind, f"my-{kind}", tmp_path / kind) for kind in GROUPS]
    site = installed(tmp_path, *homes)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k"]
    command += ["not conformance", "--import-mode=importlib", *(str(home) for home in homes)]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site), "PYTEST_ADDOPTS": "-p no:randomly"},
        capture_output=True,
        text=True,
        timeout=DEADLINE * 4,
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed, 1 deselected" in done.stdout


@pytest.mark.slow
def test_worker_conforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = write_plugin("worker", "my-worker", tmp_path / "worker")
    monkeypatch.setenv("PYTHONPATH", str(installed(tmp_path, home)))
    run("my-worker")


# -- mistakes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["worker", "My_Own"], "'My_Own': expected lower-case letters, digits and single hyphens"),
        (["worker", "corn-mine"], "'corn-mine': leave out 'corn-'"),
        (["worker", "9lives"], "'9lives': expected lower-case letters"),
        (["worker", "sync"], "'sync': there is one already, in corn-sync"),
        (["logger", "simple"], "'simple': there is one already, in corn-core"),
        (["worker", "mine", "full"], "full exists already"),
        (["worker", "mine", "full/file"], "full/file exists already"),
        (["worker", "mine", "full/file/mine"], "full/file/mine: cannot be written: Not a dir"),
    ],
)
def test_mistake_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    assert main(["new-plugin", *arguments]) == 1
    assert capsys.readouterr().err.startswith(f"error: {message}")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "full"]


def test_unknown_kind_names_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["new-plugin", "wroker", "mine"])
    assert "invalid choice: 'wroker' (choose from" in capsys.readouterr().err


def test_empty_directory_may_be_there_already(tmp_path: Path) -> None:
    assert write_plugin("loader", "mine", tmp_path) == tmp_path
    assert (tmp_path / "pyproject.toml").exists()
