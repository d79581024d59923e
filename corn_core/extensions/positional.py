"""Calls a config file's hook functions by position, whatever their arguments are named."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from pluggy import HookimplMarker

from corn_core.errors import ExtensionError
from corn_core.hookspecs import HOOKS, Hook

CONFIG_FILE = "config-file"
"""The name under which a config file's functions are registered, as one plugin."""

ConfigHooks = Mapping[str, tuple[Callable[..., Any], str]]
"""Names of hooks, each with a function and its origin in the configuration."""

_hookimpl = HookimplMarker("corn")


def config_file_plugin(hooks: ConfigHooks) -> ModuleType:
    """Make a plugin from a config file's hook functions.

    :raises ExtensionError: when a function cannot take the arguments of its hook.
    """
    plugin = ModuleType(CONFIG_FILE)
    for name, (function, origin) in hooks.items():
        setattr(plugin, name, _hookimpl(_adapt(HOOKS[name], function, origin)))
    return plugin


def _adapt(hook: Hook, function: Callable[..., Any], origin: str) -> Callable[..., Any]:
    count = _accepted(hook, function)
    if count is None or inspect.iscoroutinefunction(function):
        raise ExtensionError(
            f"{hook.name}: expected a function of {_wanted(hook)}, got"
            f" {_got(function)} ({_place(function) or origin})"
        )

    def adapted(*arguments: Any) -> Any:
        return function(*arguments)

    # To pluggy this function takes no arguments at all; Hooks looks here instead.
    adapted.corn_arguments = hook.arguments[:count]  # type: ignore[attr-defined]
    return adapted


def _accepted(hook: Hook, function: Callable[..., Any]) -> int | None:
    """Return how many of the hook's arguments the function can take, at most."""
    try:
        signature = inspect.signature(function)
    except ValueError:  # a C function without a signature
        return len(hook.arguments)
    for count in range(len(hook.arguments), hook.least - 1, -1):
        try:
            signature.bind(*hook.arguments[:count])
        except TypeError:
            continue
        return count
    return None


def _wanted(hook: Hook) -> str:
    most = len(hook.arguments)
    count = f"{most}" if hook.least == most else f"{hook.least} to {most}"
    plural = "" if most == 1 else "s"
    return f"{count} argument{plural} ({', '.join(hook.arguments)})"


def _got(function: Callable[..., Any]) -> str:
    kind = "async def " if inspect.iscoroutinefunction(function) else ""
    name = getattr(function, "__name__", type(function).__name__)
    return f"{kind}{name}{inspect.signature(function)}"


def _place(function: Callable[..., Any]) -> str | None:
    """Return where the function is defined, if it is defined in Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename} line {code.co_firstlineno}" if code else None
