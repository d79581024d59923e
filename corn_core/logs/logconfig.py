"""``logconfig``, ``logconfig_json``, ``logconfig_dict``: what they say, not yet in force."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from corn_core.errors import ConfigError, one_line
from corn_core.logs.settings import IniFile

if TYPE_CHECKING:
    from configparser import ConfigParser

    from corn_core.config import Config

DEFAULTS: Mapping[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "generic": {
            "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
            "datefmt": "[%Y-%m-%d %H:%M:%S %z]",
        },
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stdout",
        },
        "error_console": {
            "class": "logging.StreamHandler",
            "formatter": "generic",
            "stream": "ext://sys.stderr",
        },
    },
    "root": {"level": "INFO", "handlers": ["console"]},
}
"""What a dictionary need not say: the entries that it does not have come from here."""


class Source(NamedTuple):
    """Which setting gives a logging configuration, and where that is from."""

    setting: str
    path: str | None
    origin: str

    def refusal(self, error: Exception) -> ConfigError:
        """The error for the user, in one line."""
        file = f"{self.path!r}: " if self.path is not None else ""
        text = str(error) if isinstance(error, Problem) else _chain(error)
        return ConfigError(f"{self.setting}: {file}{text} ({self.origin})")


class Plan(NamedTuple):
    """A logging configuration that has been read.

    :param carry_out: configures the standard library's logging; it may raise anything.
    """

    source: Source
    carry_out: Callable[[], object]


class Problem(Exception):
    """What is wrong with a configuration, as text."""


def read_plan(config: Config) -> Plan | None:
    """The logging configuration that the settings give; of several, the dictionary comes first
    and the ini file last.

    :raises ConfigError: when it cannot be read; the text names the file and what is wrong.
    """
    for name, read in (
        ("logconfig_dict", _from_dict),
        ("logconfig_json", _from_json),
        ("logconfig", _from_ini),
    ):
        value = getattr(config, name)
        if not value:
            continue
        path = value if isinstance(value, str) else None
        source = Source(name, path, str(config.origin(name)))
        try:
            return Plan(source, read(value))
        except Exception as error:
            # Broad: the parsers of the library raise what comes to their mind.
            raise source.refusal(error) from error
    return None


def _chain(error: BaseException) -> str:
    """An exception and what caused it: 'Unable to configure handler' alone helps nobody."""
    if error.__cause__ is None:
        return one_line(error)
    return f"{' '.join(str(error).split())}: {_chain(error.__cause__)}"


# -- reading -------------------------------------------------------------------------


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise Problem(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise Problem(f"not UTF-8 text ({error.reason} at byte {error.start})") from error


def _from_dict(value: Mapping[str, Any]) -> Callable[[], object]:
    defaults = dict(DEFAULTS)
    if value.get("incremental"):
        # It changes levels and makes nothing, so there is nothing to refer to.
        defaults = {"version": 1}
    elif "console" not in value.get("handlers", {"console": None}):
        del defaults["root"]
    merged = {**defaults, **value}

    def carry_out() -> None:
        from logging.config import dictConfig  # lazy: takes 40 ms, and few servers need it

        dictConfig(merged)

    return carry_out


def _from_json(path: str) -> Callable[[], object]:
    import json  # lazy: few servers need it

    text = _read(path)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Problem(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Problem(f"expected a JSON object, got {type(value).__name__}")
    return _from_dict(value)


def _from_ini(path: str) -> Callable[[], object]:
    import configparser  # lazy: few servers need it

    absolute = os.path.abspath(path)
    variables = path.variables if isinstance(path, IniFile) else {}
    defaults = {**variables, "__file__": absolute, "here": os.path.dirname(absolute)}
    parser = configparser.ConfigParser(
        {name: value.replace("%", "%%") for name, value in defaults.items()}
    )
    parser.read_string(_read(path), path)
    _check_sections(parser)

    def carry_out() -> None:
        from logging.config import fileConfig  # lazy: takes 40 ms, and few servers need it

        fileConfig(parser, disable_existing_loggers=False)

    return carry_out


def _check_sections(parser: ConfigParser) -> None:
    """Say what is missing; the library would raise a KeyError about it, half-way through."""
    loggers = _listed(parser, "loggers")
    if "root" not in loggers:
        raise Problem("section [loggers] must have root among its keys")
    handlers, formatters = _listed(parser, "handlers"), _listed(parser, "formatters")
    for name in loggers:
        section = f"logger_{name}"
        _need(parser, section, "handlers", *([] if name == "root" else ["qualname"]))
        _refer(parser, section, "handlers", "handler", handlers)
    for name in handlers:
        _need(parser, f"handler_{name}", "class")
        _refer(parser, f"handler_{name}", "formatter", "formatter", formatters)
    for name in formatters:
        _need(parser, f"formatter_{name}")


def _listed(parser: ConfigParser, section: str) -> list[str]:
    _need(parser, section, "keys")
    return _split(parser[section]["keys"])


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _need(parser: ConfigParser, section: str, *keys: str) -> None:
    if section not in parser:
        raise Problem(f"there is no section [{section}]")
    for key in keys:
        if key not in parser[section]:
            raise Problem(f"section [{section}] has no {key!r}")


def _refer(parser: ConfigParser, section: str, key: str, noun: str, known: list[str]) -> None:
    for name in _split(parser[section].get(key, "")):
        if name not in known:
            raise Problem(
                f"section [{section}] names the {noun} {name!r}, which [{noun}s] does not list"
            )
