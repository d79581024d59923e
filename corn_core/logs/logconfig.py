"""Logging configurations: how they are read, tried, put into force and taken back."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from corn_core.config import Config
from corn_core.errors import ConfigError, one_line
from corn_core.logs.settings import IniFile
from corn_core.process.trial import failure_in_child

if TYPE_CHECKING:
    from configparser import ConfigParser

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
"""The entries of a dictionary that does not have them itself."""


Plan = Callable[[], object]
"""Applies a logging configuration that has been read to the loggers of this process."""


class Problem(ConfigError):
    """Says what is wrong with a configuration, but not yet which setting it comes from."""


def read_plan(config: Config) -> Plan | None:
    """Read the logging configuration that the settings give, and try it in a child process.

    A dictionary takes precedence over JSON, and JSON over an ini file. No logger of this process
    changes: logging.config stops half-way when something is wrong, and cannot undo what it did.

    :raises ConfigError: when it cannot be read or applied; names the setting and the file.
    """
    for name, read in (
        ("logconfig_dict", _from_dict),
        ("logconfig_json", _from_json),
        ("logconfig", _from_ini),
    ):
        value = getattr(config, name)
        if not value:
            continue
        try:
            plan: Plan = partial(_explained, _explained(partial(read, value)))
            failure = failure_in_child(partial(put_into_force, plan))
            if failure is not None:
                raise Problem(failure)
            return plan
        except Problem as problem:
            file = f"{value!r}: " if isinstance(value, str) else ""
            origin = config.origin(name)
            raise ConfigError(f"{name}: {file}{problem} ({origin})") from problem
    return None


def _explained(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except Problem:
        raise
    except Exception as error:
        # Broad: the library's parsers let any exception through, and a configuration may name
        # classes and functions of its own.
        raise Problem(_chain(error)) from error


def _chain(error: BaseException) -> str:
    """Format an exception and its causes; 'Unable to configure handler' alone does not help."""
    if error.__cause__ is None:
        return one_line(error)
    return f"{' '.join(str(error).split())}: {_chain(error.__cause__)}"


# -- in force ------------------------------------------------------------------------


class State(NamedTuple):
    """The part of a logger that a configuration may change."""

    level: int = logging.NOTSET
    propagate: bool = True
    disabled: bool = False
    handlers: tuple[logging.Handler, ...] = ()
    filters: tuple[Any, ...] = ()


_in_force: dict[logging.Logger, tuple[State, State]] = {}
# The loggers that the configuration in force has changed, before and after. They belong to the
# process and not to a Logger object, of which a reload makes another one; so does this.


def put_into_force(plan: Plan) -> None:
    """Apply a configuration, and remember what it changes for :func:`take_back`.

    :raises Problem: when it cannot be applied; what it did until then can be taken back.
    """
    global _in_force
    # logging.config closes all handlers of the process before it makes new ones, but those that
    # it does not replace are still in use. So they are hidden from it. Their list is not public.
    registered: list[Any] = getattr(logging, "_handlerList", [])
    kept = registered[:]
    registered.clear()
    before = states()
    try:
        plan()
    finally:
        registered[:0] = kept
        _in_force = {
            logger: (before.get(logger, State()), state)
            for logger, state in states().items()
            if state != before.get(logger, State())
        }


def take_back() -> list[logging.Handler]:
    """Undo what the configuration in force has changed, except what was changed again later.

    Returns the handlers that are no longer used, for the caller to close.
    """
    removed = []
    for logger, (before, after) in _in_force.items():
        if logger.level == after.level:
            logger.setLevel(before.level)
        if logger.propagate == after.propagate:
            logger.propagate = before.propagate
        logger.disabled = before.disabled
        for one in _without(after.filters, before.filters):
            logger.removeFilter(one)
        for handler in _without(after.handlers, before.handlers):
            logger.removeHandler(handler)
            removed.append(handler)
        for handler in _without(before.handlers, after.handlers):
            logger.addHandler(handler)
    _in_force.clear()
    return removed


def _without(these: tuple[Any, ...], those: tuple[Any, ...]) -> list[Any]:
    return [one for one in these if one not in those]


def states() -> dict[logging.Logger, State]:
    """Return the state of every logger of the process."""
    return {
        one: State(one.level, one.propagate, one.disabled, (*one.handlers,), (*one.filters,))
        for one in all_loggers()
    }


def all_loggers() -> Iterator[logging.Logger]:
    """Yield every logger of the process; one with several names comes several times."""
    root = logging.getLogger()
    yield root
    for logger in root.manager.loggerDict.values():
        # There are also placeholders, for parents that were never asked for.
        if isinstance(logger, logging.Logger):
            yield logger


# -- reading -------------------------------------------------------------------------


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError as error:
        raise Problem(error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise Problem(f"not UTF-8 text ({error.reason} at byte {error.start})") from error


def _from_dict(value: Mapping[str, Any]) -> Plan:
    from logging.config import dictConfig  # lazy: takes 40 ms, and few servers need it

    defaults = dict(DEFAULTS)
    if value.get("incremental"):
        # It changes levels and makes nothing, so there is nothing to refer to.
        defaults = {"version": 1}
    elif "console" not in value.get("handlers", {"console": None}):
        del defaults["root"]
    return partial(dictConfig, {**defaults, **value})


def _from_json(path: str) -> Plan:
    import json  # lazy: few servers need it

    text = _read(path)
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Problem(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Problem(f"expected a JSON object, got {type(value).__name__}")
    return _from_dict(value)


def _from_ini(path: str) -> Plan:
    import configparser  # lazy: few servers need it
    from logging.config import fileConfig  # lazy: as above

    absolute = os.path.abspath(path)
    variables = path.variables if isinstance(path, IniFile) else {}
    defaults = {**variables, "__file__": absolute, "here": os.path.dirname(absolute)}
    parser = configparser.ConfigParser(
        {name: value.replace("%", "%%") for name, value in defaults.items()}
    )
    parser.read_string(_read(path), path)
    _check_sections(parser)
    return partial(fileConfig, parser, disable_existing_loggers=False)


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
