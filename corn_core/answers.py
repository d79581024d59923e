"""Answers the commands that need no configuration: help, the manual page, completion."""

from __future__ import annotations

from collections.abc import Sequence

from corn_core.errors import ConfigError
from corn_core.extensions.entrypoints import LOADERS, LOGGERS, RELOADERS, WORKERS, entry_points
from corn_core.settings.commandline import early_argument, help_text
from corn_core.settings.completion import SHELLS, options
from corn_core.settings.guide import guide
from corn_core.settings.manual import manual
from corn_core.settings.registry import Registry

_GROUPS = {
    "worker_class": WORKERS,
    "logger_class": LOGGERS,
    "app_loader": LOADERS,
    "reload_engine": RELOADERS,
}
"""The settings that take the name of something installed, with the group of its entry points."""


def answer(command: str, argv: Sequence[str], registry: Registry) -> str:
    """Return what a command prints.

    :raises ConfigError: when its argument is missing or unknown.
    """
    argument = early_argument(command, argv)
    if command == "man":
        return manual(registry)
    if command == "completion":
        return _completion(argument, registry)
    return help_text(registry) if argument == "all" else guide(registry)


def _completion(shell: str, registry: Registry) -> str:
    if shell not in SHELLS:
        given = f"got {shell!r}" if shell else "got none"
        raise ConfigError(f"--completion: expected one of {', '.join(SHELLS)}; {given}")
    names = {
        setting: sorted({each.name for each in entry_points(group)})
        for setting, group in _GROUPS.items()
    }
    return SHELLS[shell](options(registry, names))
