"""The one screen of help, and the manual page."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from corn_core.builtin import corn_settings
from corn_core.setting import Setting, string
from corn_core.settings.guide import TASKS, WIDTH, guide
from corn_core.settings.manual import manual
from corn_core.settings.registry import COMMANDS, Registry

REGISTRY = Registry(corn_settings())


def test_guide_is_one_screen() -> None:
    lines = guide(REGISTRY).splitlines()
    assert 24 <= len(lines) <= 40
    assert all(len(line) <= WIDTH for line in lines)
    assert sum(line.startswith("  corn ") for line in lines) == 3


def test_guide_shows_a_default_that_tells_something() -> None:
    assert re.search(r"^Serve +-w, --workers INT +processes \[1\]$", guide(REGISTRY), re.MULTILINE)
    assert re.search(r"^ +--chdir DIR +where the application is$", guide(REGISTRY), re.MULTILINE)
    assert re.search(r"--forwarded-allow-ips +whose", guide(REGISTRY))


def test_guide_has_settings_of_installed_plugins_only() -> None:
    assert "--static" not in guide(REGISTRY)
    more = Registry((*REGISTRY, Setting("static", "Files", string, "", "", flags=("--static",))))
    assert "--static STATIC" in guide(more)


def test_commands_are_named() -> None:
    text = guide(REGISTRY)
    assert all(any(flag in text for flag in each.flags) for each in COMMANDS.values())


def test_manual_has_every_setting() -> None:
    text = manual(REGISTRY)
    for setting in REGISTRY:
        for word in setting.flags or (setting.name,):
            assert word.replace("-", r"\-") in text


def test_manual_escapes_what_would_be_a_request() -> None:
    odd = Setting("odd", "Odd", string, "", r".conf of 'it', a \ and ``code``", flags=("--odd",))
    assert "\n\\&.conf of \\(aqit\\(aq, a \\e and code" in manual(Registry((odd,)))


@pytest.mark.parametrize(
    "command",
    [("mandoc", "-T", "lint", "-W", "error"), ("man", "--warnings=w", "-l"), ("mandoc",)],
    ids=" ".join,
)
def test_manual_is_read_without_complaint(command: tuple[str, ...]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    page = ["/dev/stdin"] if command[0] == "mandoc" else ["-"]
    outcome = subprocess.run(
        [*command, *page], input=manual(REGISTRY), capture_output=True, text=True, timeout=60
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    if "lint" not in command:
        assert "EXIT STATUS" in re.sub(r".\x08", "", outcome.stdout)
    else:
        assert outcome.stdout == ""


def test_settings_of_the_tasks_exist() -> None:
    named = {name for phrases in TASKS.values() for name in phrases}
    of_plugins = {"max_worker_memory", "metrics_bind", "statsd_host", "static"}
    assert named - of_plugins <= {each.name for each in REGISTRY}
    assert 28 <= len(named) <= 32
