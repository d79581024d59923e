"""Finds out which Django settings to use, without running any code of the project."""

from __future__ import annotations

import ast
import os
from typing import NamedTuple

from corn_core.plugin import ConfigError
from corn_core.typing import Config
from corn_django.names import MANAGE, SETTINGS_VARIABLE

_HOW = f"--settings or {SETTINGS_VARIABLE}"


class SettingsModule(NamedTuple):
    """The dotted name of a settings module, and where it was named."""

    name: str
    origin: str


def find_settings(config: Config) -> SettingsModule:
    """Find the settings that were asked for, or else those of the ``manage.py`` in this directory.

    :raises ConfigError: when there are none, or more than one is possible.
    """
    if config.django_settings:
        return SettingsModule(config.django_settings, str(config.origin("django_settings")))
    # Before manage.py, which does not overwrite the variable either.
    named = os.environ.get(SETTINGS_VARIABLE, "").strip()
    if named:
        return SettingsModule(named, f"environment variable {SETTINGS_VARIABLE}")
    return _only(_read())


def _read() -> ast.Module:
    try:
        with open(MANAGE, "rb") as file:
            return ast.parse(file.read(), MANAGE)
    except FileNotFoundError:
        raise ConfigError(
            f"no Django project to serve: there is no {MANAGE} in {os.getcwd()}, and neither"
            f" {_HOW.replace(' or ', ' nor ')} names its settings"
        ) from None
    except OSError as error:
        raise ConfigError(f"{MANAGE} cannot be read: {error.strerror}") from None
    except (SyntaxError, ValueError) as error:
        line = f" line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ConfigError(f"{MANAGE}{line}: {type(error).__name__}: {error}") from None


def _only(tree: ast.Module) -> SettingsModule:
    found = {name: line for node in ast.walk(tree) for name, line in _named(node)}
    if len(found) > 1 and None not in found:
        names = ", ".join(str(name) for name in sorted(found, key=lambda name: found[name]))
        raise ConfigError(
            f"{MANAGE} names several settings modules ({names}); say which one with {_HOW}"
        )
    for name, line in found.items():
        if name is not None and len(found) == 1:
            return SettingsModule(name, f"{MANAGE} line {line}")
    raise ConfigError(
        f"{MANAGE} does not say in plain text which settings module it uses; name it with {_HOW}"
    )


def _named(node: ast.AST) -> list[tuple[str | None, int]]:
    """List the values a statement gives the variable; None if only running it would tell."""
    match node:
        case ast.Call(func=ast.Attribute(attr="setdefault"), args=[ast.Constant(key), value]):
            pass
        case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(key))], value=value):
            pass
        case _:
            return []
    if key != SETTINGS_VARIABLE:
        return []
    match value:
        case ast.Constant(str(name)):
            return [(name, node.lineno)]
    return [(None, node.lineno)]
