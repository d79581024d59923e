"""``--check-config`` and ``--print-config``: their settings, and the output of the latter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from corn_core.config import Config
from corn_core.setting import Setting, boolean

SETTINGS = (
    Setting(
        name="check_config",
        section="Commands",
        parse=boolean,
        default=False,
        help=(
            "Read the configuration, load the application and exit, with status 0 if"
            " all of it works. Nothing is bound or forked. A plugin that cannot be loaded is a"
            " failure of the check, though a server would warn and run without it."
        ),
        flags=("--check-config",),
        action="store_true",
        places=("cli",),
    ),
    Setting(
        name="print_config",
        section="Commands",
        parse=boolean,
        default=False,
        help=(
            "Print every setting with its value and where the value came from, after"
            " checking the configuration as --check-config does, and exit."
        ),
        flags=("--print-config",),
        action="store_true",
        places=("cli",),
    ),
)


def print_config(
    config: Config, hooks: Mapping[str, tuple[Callable[..., Any], str]] | None = None
) -> str:
    """Format the configuration, one line per setting or hook: ``name = value  # origin``."""
    lines = [f"{name} = {text}  # {origin}" for name, text, origin in described(config)]
    for name, (function, origin) in (hooks or {}).items():
        lines.append(f"{name} = {_shown(function)}  # {origin}")
    return "\n".join(lines)


def described(config: Config) -> Iterator[tuple[str, str, str]]:
    """Yield each setting's name, its value as Python text, and where the value came from.

    Of a secret, the text says only which type it has.
    """
    for name, value in config.as_dict().items():
        yield name, _shown(config.settings[name].shown(value)), str(config.origin(name))


def _shown(value: object) -> str:
    """Format a value on one line: objects defined in code by name, all others as Python text."""
    name = getattr(value, "__qualname__", None)
    if name is not None:
        return f"<{getattr(value, '__module__', '?')}.{name}>"
    return " ".join(repr(value).splitlines())
