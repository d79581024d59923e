"""Environment variables: defaults of settings, and more command-line arguments."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from corn_core.config import DEFAULT, Origin, parsed
from corn_core.errors import ConfigError
from corn_core.setting import Setting

CMD_ARGS = "CORN_CMD_ARGS"
FOREIGN_CMD_ARGS = "GUNICORN_CMD_ARGS"
"""Read when ``CORN_CMD_ARGS`` is not set."""
FOREIGN_FILE = "gunicorn.conf.py"
"""Not read unless it is named: it may be there for another server, and Gunicorn reads it."""


def default_value(setting: Setting, environ: Mapping[str, str]) -> tuple[Any, Origin]:
    """Return the value of a setting that was not given: from its variable, or its default.

    An empty variable counts as unset.

    :raises ConfigError: when the setting cannot take the variable's text.
    """
    text = environ.get(setting.env, "").strip() if setting.env else ""
    if not text:
        default = setting.default
        # A list is copied, so that changing a value cannot change the declaration.
        return (default.copy() if isinstance(default, list | dict) else default), DEFAULT
    origin = Origin("environment", setting.env or "")
    return parsed(setting, text, origin, partial(_parse_text, setting)), origin


def _parse_text(setting: Setting, text: Any) -> Any:
    return setting.parse(setting.env_value(text) if setting.env_value else text)


def extra_arguments(environ: Mapping[str, str]) -> tuple[str, list[str]]:
    """Return the variable that holds more arguments, and the arguments.

    The name is empty if there is no such variable.

    :raises ConfigError: when its quotes do not match.
    """
    variable = next((name for name in (CMD_ARGS, FOREIGN_CMD_ARGS) if name in environ), "")
    text = environ.get(variable, "")
    if not text.strip():
        return "", []
    # lazy: few servers are configured by this variable
    import shlex

    try:
        return variable, shlex.split(text)
    except ValueError as error:
        # Without the text, which may hold the value of a secret setting.
        raise ConfigError(f"{variable}: {error}") from None
