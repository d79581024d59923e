"""Completion, tried in the shells that are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from corn_testkit.server import environment, run
from corn_testkit.waiting import DEADLINE

BASH = """\
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_corn
printf '%s\\n' "${COMPREPLY[@]}"
"""

# The editor's own function for completion, called as the shell does on a tab.
ZSH = """\
zmodload zsh/zpty
zpty shell zsh -f -i
expect() { zpty -r -m shell output "*$1*" }
zpty -w shell "PS1=; stty -echo; autoload -U compinit; compinit -u -D; source $1; print REA''DY"
expect READY
zpty -w shell "zstyle ':completion:*' list-separator '|'; print AG''AIN"
expect AGAIN
zpty -w -n shell "$2"$'\\t\\t'
repeat 100; do
    zpty -r -t shell output && print -n - $output
    [[ $output == *$3* ]] && break
    zselect -t 10 2>/dev/null || { zmodload zsh/zselect; zselect -t 10 }
done
zpty -d shell
"""


def complete(shell: str, directory: Path, *words: str) -> str:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = directory / f"corn.{shell}"
    if not script.exists():
        made = run("--completion", shell, cwd=directory)
        assert (made.returncode, made.stderr) == (0, "")
        script.write_text(made.stdout)
    commands = {
        "bash": ["bash", "--norc", "-c", BASH, "bash", str(script), *words],
        "fish": ["fish", "-N", "-c", f"source {script}; complete -C '{' '.join(words)}'"],
        "zsh": ["zsh", "-f", "-c", ZSH, "zsh", str(script), *words],
    }
    outcome = subprocess.run(
        commands[shell],
        cwd=directory,
        env=environment({"TERM": "dumb", "HOME": str(directory), "PATH": os.environ["PATH"]}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE * 2,
    )
    assert outcome.stderr == ""
    return outcome.stdout


def bash(directory: Path, *words: str) -> list[str]:
    return complete("bash", directory, "corn", *words).split()


def fish(directory: Path, text: str) -> list[str]:
    return [line.partition("\t")[0] for line in complete("fish", directory, text).splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("shop.py", "shelf.py", "corn.conf.py", "cert.pem"):
        (tmp_path / name).touch()
    (tmp_path / "static").mkdir()
    return tmp_path


def test_bash(project: Path) -> None:
    assert bash(project, "--worker-c") == ["--worker-class", "--worker-connections"]
    assert {"sync", "gthread"} <= {*bash(project, "-k", "")}
    assert bash(project, "--worker-class", "=", "gth") == ["gthread"]
    assert bash(project, "--log-level", "=") == ["debug", "info", "warning", "error", "critical"]
    assert bash(project, "--certfile", "ce") == ["cert.pem"]
    assert bash(project, "--chdir", "") == ["static"]
    assert bash(project, "--bind", "") == []
    assert bash(project, "sh") == ["shelf:", "shop:"]
    assert bash(project, "co") == []
    assert bash(project, "--completion", "f") == ["fish"]


def test_fish(project: Path) -> None:
    assert fish(project, "corn --worker-c") == ["--worker-class", "--worker-connections"]
    assert {"sync", "gthread"} <= {*fish(project, "corn -k ")}
    assert fish(project, "corn --certfile ce") == ["cert.pem"]
    assert fish(project, "corn --chdir s") == ["static/"]
    assert fish(project, "corn sh") == ["shelf:", "shop:"]
    assert fish(project, "corn co") == []
    for file in project.glob("*.py"):
        file.unlink()
    assert fish(project, "corn sh") == []


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("corn --worker-cl", "ass"), ("corn --log-level cri", "tical"), ("corn sho", "p:")],
)
def test_zsh(project: Path, typed: str, completed: str) -> None:
    assert completed in complete("zsh", project, typed, completed)


@pytest.mark.parametrize(("argument", "got"), [("tcsh", "got 'tcsh'"), (None, "got none")])
def test_unknown_shell(argument: str | None, got: str) -> None:
    outcome = run("--completion", *filter(None, [argument]))
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr == f"error: --completion: expected one of bash, zsh, fish; {got}\n"
