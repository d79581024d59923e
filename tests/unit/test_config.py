"""The finished configuration."""

from __future__ import annotations

import copy

import pytest

from corn_core.config import DEFAULT, Config, Origin, parsed
from corn_core.errors import ConfigError, SettingError
from corn_core.setting import Setting
from tests.unit.settings.declared import BIND, WORKERS

FLAG = Origin("flag", "-w")


@pytest.fixture
def config() -> Config:
    settings = {"workers": WORKERS, "bind": BIND}
    values = {"workers": 4, "bind": ["[::1]:80"]}
    return Config(settings, values, {"workers": FLAG, "bind": DEFAULT})


def test_values_are_attributes(config: Config) -> None:
    assert config.workers == 4
    assert config.as_dict() == {"workers": 4, "bind": ["[::1]:80"]}
    assert config.names() == ["workers", "bind"]
    assert "workers" in config
    assert "wrokers" not in config


def test_unknown_name(config: Config) -> None:
    with pytest.raises(AttributeError, match="no setting 'worker'; did you mean 'workers'"):
        config.worker  # noqa: B018 - the access is the test
    assert getattr(config, "nothing", None) is None


def test_it_cannot_be_changed(config: Config) -> None:
    with pytest.raises(AttributeError, match="immutable"):
        config.workers = 5
    with pytest.raises(AttributeError, match="immutable"):
        config.new = 5
    with pytest.raises(AttributeError, match="immutable"):
        del config.workers
    assert config.as_dict() == {"workers": 4, "bind": ["[::1]:80"]}


def test_it_can_be_copied(config: Config) -> None:
    assert copy.copy(config).as_dict() == config.as_dict()


def test_origins(config: Config) -> None:
    assert config.origin("workers") == config.given("workers") == FLAG
    assert config.origin("bind") == DEFAULT
    assert config.given("bind") is config.given("wrokers") is None
    with pytest.raises(KeyError):
        config.origin("wrokers")


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        (Origin("default"), "default"),
        (Origin("environment", "PORT"), "environment variable PORT"),
        (Origin("framework", "framework settings"), "framework settings"),
        (Origin("file", "corn.conf.py line 3"), "corn.conf.py line 3"),
        (Origin("cmd_args", "CORN_CMD_ARGS -w"), "CORN_CMD_ARGS -w"),
        (Origin("flag", "-w"), "flag -w"),
        (Origin("argument", "command line"), "command line"),
    ],
)
def test_origin_as_text(origin: Origin, text: str) -> None:
    assert str(origin) == text


def test_replacing_makes_another_one(config: Config) -> None:
    other = config.replace(workers="0x10")
    assert (other.workers, config.workers) == (16, 4)
    assert (str(other.origin("workers")), str(config.origin("workers"))) == (
        "set in code", "flag -w",
    )  # fmt: skip
    assert other.bind == config.bind


def test_replacing_checks(config: Config) -> None:
    with pytest.raises(SettingError, match=r"workers: expected .*, got 0 \(set in code\)"):
        config.replace(workers=0)
    with pytest.raises(ConfigError, match="no setting 'worker'; did you mean 'workers'"):
        config.replace(worker=1)


def test_bad_value_names_setting_expectation_value_and_origin() -> None:
    with pytest.raises(SettingError) as caught:
        parsed(WORKERS, "x", FLAG)
    assert str(caught.value) == (
        "workers: expected a whole number of at least 1, got 'x' (flag -w)"
    )
    assert caught.value.exit_status == 1


def test_broken_parser_is_the_plugins_fault_and_still_one_line() -> None:
    broken = Setting("x", "X", parse=lambda raw: 1 // 0, default=0, help="")
    with pytest.raises(ConfigError) as caught:
        parsed(broken, "y", FLAG)
    assert str(caught.value) == (
        "x: cannot be read from 'y': ZeroDivisionError: integer division or modulo by zero"
        " (flag -w)"
    )
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
