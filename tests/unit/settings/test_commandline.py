"""The command line."""

from __future__ import annotations

import re

import pytest

from corn_core.errors import ConfigError
from corn_core.extensions.manager import DISABLE_PLUGINS
from corn_core.findings import Finding, Review
from corn_core.setting import Setting, string
from corn_core.settings.commandline import (
    Given,
    early_command,
    early_value,
    help_text,
    parse,
)
from corn_core.settings.registry import COMMANDS
from tests.unit.settings.declared import registry


def explain(option: str, value: object) -> list[Finding]:
    needs = Finding("error", f"{option} needs the plugin corn-statsd")
    return [needs] if option == "--statsd-host" else []


def given(*argv: str) -> Given:
    return parse(registry(), argv, Review(explain))[0]


def rest(*argv: str) -> list[str]:
    return parse(registry(), argv, Review(explain))[1]


def refusal(*argv: str, variable: str = "") -> str:
    with pytest.raises(ConfigError) as caught:
        parse(registry(), argv, Review(explain), variable)
    assert caught.value.exit_status == 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("argv", "flag", "raw"),
    [
        (["-w", "3"], "-w", "3"),
        (["-w3"], "-w", "3"),
        (["--workers", "3"], "--workers", "3"),
        (["--workers=3"], "--workers", "3"),
        (["--workers="], "--workers", ""),
        (["-w", "1", "--workers", "2"], "--workers", "2"),
        (["-w", "-1"], "-w", "-1"),
    ],
)
def test_value_and_spelling_of_a_flag_are_kept(argv: list[str], flag: str, raw: str) -> None:
    assert given(*argv) == {"workers": (flag, raw)}


def test_only_what_was_given_is_there() -> None:
    assert given() == {}


def test_repeated_flag_appends() -> None:
    assert given("-b", "a", "--bind=b", "-b", "c") == {"bind": ("-b", ["a", "b", "c"])}


def test_switches() -> None:
    assert given("--preload") == {"preload_app": ("--preload", True)}
    assert given("--no-sendfile") == {"sendfile": ("--no-sendfile", False)}
    assert given("--check-config") == {"check_config": ("--check-config", True)}


@pytest.mark.parametrize("flag", ["--limit-request-field_size", "--limit-request-field-size"])
def test_both_spellings_of_a_flag(flag: str) -> None:
    assert given(flag, "10") == {"limit_request_field_size": (flag, "10")}


@pytest.mark.parametrize(
    ("argv", "others"),
    [
        ([], []),
        (["app:app"], ["app:app"]),
        (["app:app", "-w", "3", "extra"], ["app:app", "extra"]),
        (["-w", "3", "app:app", "--preload", "x", "y"], ["app:app", "x", "y"]),
        (["app:app", "--", "-w", "--made-up"], ["app:app", "-w", "--made-up"]),
        (["--", "app:app"], ["app:app"]),
        (["-"], ["-"]),
    ],
)
def test_arguments_that_are_no_flags(argv: list[str], others: list[str]) -> None:
    assert rest(*argv) == others


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--wrokers", "3"], "there is no flag --wrokers; did you mean '--workers'?"),
        (["--wrokers=3"], "there is no flag --wrokers; did you mean '--workers'?"),
        (["--worker", "3"], "there is no flag --worker; did you mean '--workers'?"),
        (["--verison"], "there is no flag --verison; did you mean '--version'?"),
        (["--made-up"], "there is no flag --made-up"),
        (["app:app", "-Z", "1"], "there is no flag -Z"),
        (["--statsd-host", "h:1"], "--statsd-host needs the plugin corn-statsd"),
        (["--statsd-host=h:1"], "--statsd-host needs the plugin corn-statsd"),
        (["-w"], "argument -w/--workers: expected one argument"),
        (["-w", "--preload"], "argument -w/--workers: expected one argument"),
        (["--preload=yes"], "argument --preload: ignored explicit argument 'yes'"),
        (["--pre"], "there is no flag --pre"),
        (["-1"], "there is no flag -1"),
        (["--version"], "-v/--version must be given on its own"),
    ],
)
def test_mistakes_are_one_line_each(argv: list[str], message: str) -> None:
    assert refusal(*argv) == message


def test_mistakes_in_a_variable_name_it() -> None:
    assert refusal("--made-up", variable="CORN_CMD_ARGS") == (
        "there is no flag --made-up (CORN_CMD_ARGS)"
    )
    assert refusal("-w", variable="CORN_CMD_ARGS") == (
        "argument -w/--workers: expected one argument (CORN_CMD_ARGS)"
    )


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        ([], None),
        (["app:app", "-w", "3"], None),
        (["-h"], "help"),
        (["app:app", "--help"], "help"),
        (["--version", "--made-up"], "version"),
        (["-v"], "version"),
        (["--plugins"], "plugins"),
        (["--", "--version"], None),
        (["-n=--version"], None),
    ],
)
def test_commands_are_told_before_there_is_a_parser(argv: list[str], command: str | None) -> None:
    assert early_command(argv) == command


@pytest.mark.parametrize(
    ("argv", "environ", "names"),
    [
        ([], {}, []),
        (["--disable-plugin", "a", "app:app", "--disable-plugin=b"], {}, ["a", "b"]),
        (["--disable-plugin", "a,b"], {}, ["a", "b"]),
        ([], {"CORN_DISABLE_PLUGINS": "a, b"}, ["a", "b"]),
        ([], {"CORN_DISABLE_PLUGINS": ""}, []),
        ([], {"CORN_CMD_ARGS": "--disable-plugin c"}, ["c"]),
        ([], {"CORN_CMD_ARGS": "--disable-plugin=c", "CORN_DISABLE_PLUGINS": "a"}, ["c"]),
        (["--disable-plugin", "a"], {"CORN_CMD_ARGS": "--disable-plugin c"}, ["a"]),
        (["--", "--disable-plugin", "a"], {}, []),
        (["--disable-plugin"], {}, []),
    ],
)
def test_disabled_plugins_are_told_before_there_is_a_parser(
    argv: list[str], environ: dict[str, str], names: list[str]
) -> None:
    assert early_value(DISABLE_PLUGINS, argv, environ) == names


def test_help_is_grouped_by_section_and_by_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    made = registry()
    host = Setting("host", "Metrics", string, "", "Where to. More.", flags=("--host",))
    made.add(host, "statsd")
    text = help_text(made)
    headings = [line for line in text.splitlines() if line.endswith(":") and line[0] != " "]
    assert headings == [
        "Commands:", "Config File:", "Server Socket:", "Worker Processes:", "Security:",
        "Server Mechanics:", "Plugin statsd, Metrics:",
    ]  # fmt: skip
    assert text.startswith("usage: corn [OPTIONS] [MODULE:APP]\n")
    # Python 3.13 names the argument once, which leaves room for the help on the same line.
    assert re.search(
        r"^  -w( INT)?, --workers INT\s+"
        r"The number of workers\. \[default: 1; environment: WEB_CONCURRENCY\]$",
        text,
        re.MULTILINE,
    )
    assert "[default: 127.0.0.1:8000; environment: PORT]" in text
    assert "Load 100% early.\n" in text
    assert "--worker-class {sync,gthread}" in text
    assert "More" not in text


def test_help_names_every_flag() -> None:
    text = help_text(registry())
    for each in (*registry(), *COMMANDS.values()):
        assert all(flag in text for flag in each.flags)
    assert "wsgi_app" not in text
