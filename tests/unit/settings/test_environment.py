"""Settings and arguments from environment variables."""

from __future__ import annotations

import pytest

from corn_core.config import DEFAULT, Origin
from corn_core.errors import ConfigError, SettingError
from corn_core.settings.environment import default_value, extra_arguments
from tests.unit.settings.declared import BIND, PRELOAD, SENDFILE, WORKERS


def test_variable_takes_the_place_of_the_default() -> None:
    value = default_value(WORKERS, {"WEB_CONCURRENCY": " 3 "})
    assert value == (3, Origin("environment", "WEB_CONCURRENCY"))


@pytest.mark.parametrize("environ", [{}, {"WEB_CONCURRENCY": ""}, {"WEB_CONCURRENCY": "  "}])
def test_empty_variable_is_taken_for_none(environ: dict[str, str]) -> None:
    assert default_value(WORKERS, environ) == (1, DEFAULT)


def test_setting_without_a_variable_has_its_default() -> None:
    assert default_value(PRELOAD, {"": "true", "PRELOAD_APP": "true"}) == (False, DEFAULT)


def test_text_of_a_variable_may_need_translation() -> None:
    assert default_value(BIND, {"PORT": "80"})[0] == ["0.0.0.0:80"]
    assert default_value(SENDFILE, {"SENDFILE": "no"})[0] is False
    assert default_value(SENDFILE, {"SENDFILE": "yes"})[0] is True


def test_bad_variable_is_named() -> None:
    with pytest.raises(SettingError) as caught:
        default_value(WORKERS, {"WEB_CONCURRENCY": "many"})
    assert str(caught.value) == (
        "workers: expected a whole number of at least 1, got 'many'"
        " (environment variable WEB_CONCURRENCY)"
    )


def test_message_shows_the_text_of_the_variable_and_not_its_translation() -> None:
    port = WORKERS._replace(env="PORT", env_value=lambda text: int(text) - 8000)
    with pytest.raises(SettingError, match=r"got '8000' \(environment variable PORT\)"):
        default_value(port, {"PORT": "8000"})
    with pytest.raises(ConfigError, match=r"workers: cannot be read from 'x': ValueError: .*PORT"):
        default_value(port, {"PORT": "x"})


def test_default_that_is_a_list_cannot_be_changed_by_way_of_a_value() -> None:
    default_value(BIND, {})[0].append("spoilt")
    assert default_value(BIND, {})[0] == ["127.0.0.1:8000"]


@pytest.mark.parametrize(
    ("environ", "arguments"),
    [
        ({}, ("", [])),
        ({"CORN_CMD_ARGS": "-w 3 -n 'my app'"}, ("CORN_CMD_ARGS", ["-w", "3", "-n", "my app"])),
        ({"GUNICORN_CMD_ARGS": "-w 3"}, ("GUNICORN_CMD_ARGS", ["-w", "3"])),
        ({"CORN_CMD_ARGS": "-w 4", "GUNICORN_CMD_ARGS": "-w 3"}, ("CORN_CMD_ARGS", ["-w", "4"])),
        ({"CORN_CMD_ARGS": "", "GUNICORN_CMD_ARGS": "-w 3"}, ("", [])),
        ({"CORN_CMD_ARGS": "  "}, ("", [])),
    ],
)
def test_more_arguments(environ: dict[str, str], arguments: tuple[str, list[str]]) -> None:
    assert extra_arguments(environ) == arguments


def test_quotes_that_do_not_match_and_the_text_may_hold_a_secret() -> None:
    with pytest.raises(ConfigError) as caught:
        extra_arguments({"CORN_CMD_ARGS": "-n 'x"})
    assert str(caught.value) == "CORN_CMD_ARGS: No closing quotation"
