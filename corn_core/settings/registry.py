"""The registry of all settings and their owners."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from corn_core.config import Config
from corn_core.errors import ConfigError, one_line
from corn_core.hookspecs import CORE, HOOKS
from corn_core.setting import Expected, Setting


class Command(NamedTuple):
    """The flags and the help of a command, and the word that may follow the flags.

    :param metavar: the placeholder for that word; empty when the command takes none.
    :param values: the words that the command knows.
    """

    flags: tuple[str, ...]
    help: str
    metavar: str = ""
    values: tuple[str, ...] = ()


COMMANDS = {
    "help": Command(
        ("-h", "--help"),
        "Show the options that most people use, or all of them, and exit.",
        metavar="[all]",
        values=("all",),
    ),
    "version": Command(("-v", "--version"), "Show the version and exit."),
    "plugins": Command(
        ("--plugins",),
        "List what is installed for corn, including what cannot be loaded, and exit.",
    ),
    "man": Command(("--man",), "Print the manual page (corn --man | man -l -) and exit."),
    "completion": Command(
        ("--completion",),
        'Print a script for a shell that completes the command, for eval "$(...)", and exit.',
        metavar="SHELL",
        values=("bash", "zsh", "fish"),
    ),
}
"""Flags that are not settings: each is a command of its own."""

_RESERVED = {*HOOKS, *dir(Config), "settings"}

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FLAG = re.compile(r"-[A-Za-z0-9]|--[A-Za-z0-9][A-Za-z0-9_-]*")


class Registry:
    """The settings of the core and of the plugins, in the order they were added.

    :param settings: settings of the core to begin with.
    """

    def __init__(self, settings: Iterable[Setting] = ()) -> None:
        self._settings: dict[str, Setting] = {}
        self._owners: dict[str, str] = {}
        self._flags: dict[str, str] = {
            flag: "" for each in COMMANDS.values() for flag in each.flags
        }
        for setting in settings:
            self.add(setting)

    def add(self, setting: Setting, owner: str = CORE) -> None:
        """Add one setting.

        :raises ConfigError: when its name or a flag is taken or not acceptable, or a plugin's
            setting has a wrong default; the text names the owners.
        """
        self._check_name(setting, owner)
        if owner != CORE:
            # A test checks the core's own, so that a start does not have to.
            check_default(setting, owner)
        if isinstance(setting.flags, str):
            raise ConfigError(
                f"{_by(owner)} declares the flags of {setting.name!r} as the text"
                f" {setting.flags!r} instead of a tuple"
            )
        for flag in setting.flags:
            self._check_flag(flag, setting, owner)
        self._settings[setting.name] = setting
        self._owners[setting.name] = owner
        self._flags.update(dict.fromkeys(setting.flags, setting.name))

    def get(self, name: str) -> Setting | None:
        return self._settings.get(name)

    def __getitem__(self, name: str) -> Setting:
        return self._settings[name]

    def __iter__(self) -> Iterator[Setting]:
        return iter(self._settings.values())

    def __contains__(self, name: object) -> bool:
        return name in self._settings

    def flags(self) -> list[str]:
        """List every flag, including those of the commands."""
        return list(self._flags)

    def sections(self) -> dict[tuple[str, str], list[Setting]]:
        """Group the settings by owner and section: the core's first, then plugin by plugin."""
        grouped: dict[tuple[str, str], list[Setting]] = {}
        for setting in self:
            grouped.setdefault((self._owners[setting.name], setting.section), []).append(setting)
        return dict(sorted(grouped.items(), key=lambda item: item[0][0] != CORE))

    def _check_name(self, setting: Setting, owner: str) -> None:
        name = setting.name
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{_by(owner)} declares a setting with a bad name, {name!r}")
        if name in self._settings:
            raise ConfigError(
                f"{_by(owner)} declares setting {name!r}, which {_by(self._owners[name])} has"
            )
        if name in _RESERVED:
            raise ConfigError(f"{_by(owner)} declares setting {name!r}, a name that is reserved")

    def _check_flag(self, flag: str, setting: Setting, owner: str) -> None:
        if not _FLAG.fullmatch(flag):
            raise ConfigError(f"{_by(owner)} declares a bad flag, {flag!r}, for {setting.name!r}")
        if flag in self._flags:
            taken = self._owners.get(self._flags[flag], CORE)
            raise ConfigError(
                f"{_by(owner)} declares flag {flag} for {setting.name!r}, which {_by(taken)} has"
            )


def check_default(setting: Setting, owner: str) -> None:
    """Refuse a default that its own parser refuses or changes.

    :raises ConfigError: the text names the owner.
    """
    default = setting.shown(setting.default)
    mistake = f"{_by(owner)} declares setting {setting.name!r} with the default {default!r}"
    # Broad, because the parser is a plugin's code.
    try:
        value = setting.parse(setting.default)
    except Expected as error:
        raise ConfigError(f"{mistake}, but expects {error}") from None
    except Exception as error:
        reason = type(error).__name__ if setting.secret else one_line(error)
        raise ConfigError(f"{mistake}, which it cannot read: {reason}") from (
            None if setting.secret else error
        )
    if value != setting.default:
        raise ConfigError(f"{mistake}, which its parser turns into {setting.shown(value)!r}")


def _by(owner: str) -> str:
    return "the core" if owner == CORE else f"plugin {owner!r}"
