"""The registry: order, owners and clashes."""

from __future__ import annotations

from typing import Any

import pytest

from corn_core.builtin import corn_settings
from corn_core.config import Config
from corn_core.errors import ConfigError
from corn_core.hookspecs import CORE, HOOKS
from corn_core.settings.registry import COMMANDS, Registry, check_default
from tests.unit.settings.declared import SETTINGS, WORKERS, registry

OTHER = WORKERS._replace(name="other", flags=("--other",))


def refusal(setting: object, owner: str = "statsd") -> str:
    with pytest.raises(ConfigError) as caught:
        registry().add(setting, owner)  # type: ignore[arg-type]
    return str(caught.value)


def test_settings_keep_the_order_of_their_declaration() -> None:
    names = [each.name for each in SETTINGS]
    assert [each.name for each in registry()] == names


def test_look_up() -> None:
    made = registry()
    assert made.get("workers") is made["workers"] is WORKERS
    assert made.get("wrokers") is None
    assert "workers" in made
    assert "wrokers" not in made


def test_sections_of_the_core_come_first() -> None:
    made = Registry()
    made.add(OTHER, "statsd")
    for each in SETTINGS:
        made.add(each)
    sections = list(made.sections())
    assert sections[0] == ("core", "Config File")
    assert sections[-1] == ("statsd", "Worker Processes")
    assert made.sections()["core", "Worker Processes"] == [WORKERS, made["worker_class"]]


def test_clash_of_names_names_both_owners() -> None:
    assert refusal(WORKERS._replace(flags=())) == (
        "plugin 'statsd' declares setting 'workers', which the core has"
    )


def test_clash_of_flags_names_both_owners() -> None:
    made = Registry()
    made.add(OTHER, "statsd")
    with pytest.raises(ConfigError) as caught:
        made.add(OTHER._replace(name="mine"), "graphite")
    assert str(caught.value) == (
        "plugin 'graphite' declares flag --other for 'mine', which plugin 'statsd' has"
    )
    assert "mine" not in made


@pytest.mark.parametrize("flag", [flag for each in COMMANDS.values() for flag in each.flags])
def test_flags_of_commands_are_taken(flag: str) -> None:
    assert refusal(OTHER._replace(flags=(flag,))) == (
        f"plugin 'statsd' declares flag {flag} for 'other', which the core has"
    )


@pytest.mark.parametrize("name", [*HOOKS, "origin", "as_dict", "settings"])
def test_names_of_hooks_and_of_the_configuration_itself_are_reserved(name: str) -> None:
    assert name in HOOKS or hasattr(Config({}, {}, {}), name)
    assert refusal(OTHER._replace(name=name)) == (
        f"plugin 'statsd' declares setting {name!r}, a name that is reserved"
    )


@pytest.mark.parametrize("name", ["", "Workers", "work-ers", "2nd", "_hidden"])
def test_bad_names(name: str) -> None:
    assert refusal(OTHER._replace(name=name)) == (
        f"plugin 'statsd' declares a setting with a bad name, {name!r}"
    )


@pytest.mark.parametrize("flag", ["other", "-other", "--", "-", "--a=b", "--ä", "-- x"])
def test_bad_flags(flag: str) -> None:
    assert refusal(OTHER._replace(flags=(flag,))) == (
        f"plugin 'statsd' declares a bad flag, {flag!r}, for 'other'"
    )


@pytest.mark.parametrize(
    ("default", "fault"),
    [
        (0, "default 0, but expects a whole number of at least 1"),
        ("2", "default '2', which its parser turns into 2"),
    ],
)
def test_default_that_is_no_value_of_the_setting(default: object, fault: str) -> None:
    wrong = OTHER._replace(default=default)
    assert refusal(wrong) == f"plugin 'statsd' declares setting 'other' with the {fault}"


def int_of(value: Any) -> int:
    return int(value)


def test_default_that_the_parser_cannot_read() -> None:
    wrong = OTHER._replace(parse=int_of, default=None)
    assert refusal(wrong).startswith(
        "plugin 'statsd' declares setting 'other' with the default None, which it cannot read:"
        " TypeError: "
    )


def test_defaults_of_the_core_are_values_of_their_settings() -> None:
    declared = list(corn_settings())
    assert len(declared) > 70
    for setting in declared:
        check_default(setting, CORE)


def test_flags_that_are_a_text() -> None:
    assert refusal(OTHER._replace(flags="--other")) == (  # type: ignore[arg-type]
        "plugin 'statsd' declares the flags of 'other' as the text '--other' instead of a tuple"
    )
