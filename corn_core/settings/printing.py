"""``--check-config`` and ``--print-config``: their settings, and the output of the latter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from corn_core.config import Config
from corn_core.setting import Setting, boolean

CHECK_CONFIG = Setting(
    name="check_config",
    section="Commands",
    parse=boolean,
    default=False,
    help=(
        "Read the configuration, load the application and exit, with status 0 if"
        " all of it works and none of it would be ignored. Everything that is wrong is reported at"
        " once, also what Gunicorn has and corn has not. Nothing is bound or forked. A plugin that"
        " cannot be loaded is a failure of the check, though a server would warn and run"
        " without it."
    ),
    flags=("--check-config",),
    action="store_true",
    places=("cli",),
)

JSON = Setting(
    name="check_json",
    section="Commands",
    parse=boolean,
    default=False,
    help="Write the report of --check-config to standard output as JSON.",
    flags=("--json",),
    action="store_true",
    places=("cli",),
)

SETTINGS = (
    CHECK_CONFIG,
    JSON,
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
    """Format the configuration, one line per setting or hook: ``name = value  # origin``.

    What differs from the defaults comes first, and the others by section.
    """
    given: list[str] = []
    sections: dict[str, list[str]] = {}
    for name, text, place in described(config):
        line = f"{name} = {text}  # {place}"
        section = config.settings[name].section
        (given if config.given(name) else sections.setdefault(section, [])).append(line)
    for name, (function, place) in (hooks or {}).items():
        given.append(f"{name} = {_shown(function)}  # {place}")
    blocks = {"Set": given, **{f"{name}, by default": lines for name, lines in sections.items()}}
    return "\n\n".join(
        "\n".join([f"# {heading}", *lines]) for heading, lines in blocks.items() if lines
    )


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
