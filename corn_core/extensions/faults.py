"""Checks the hooks of a plugin when it is registered."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import FunctionType, ModuleType
from typing import Any

import pluggy

from corn_core.errors import did_you_mean
from corn_core.hookspecs import HOOKS, Hook


def first_fault(manager: pluggy.PluginManager, plugin: object) -> str | None:
    """Describe what is wrong with a plugin's first bad hook; returns None if all can be called."""
    for name in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, name)
        if options is not None:
            hook = options.get("specname") or name
            fault = _fault(hook, options, getattr(plugin, name))
            if fault and hook in HOOKS and isinstance(plugin, type):
                return f"{plugin.__name__} is a class; register an object of that class"
            if fault:
                return fault
    return None


def unmarked(plugin: object) -> list[str]:
    """List the hooks for which a module has unmarked functions, which is usually a mistake."""
    if not isinstance(plugin, ModuleType):
        return []
    own = vars(plugin)
    return [
        name
        for name in HOOKS
        if _is_own(plugin, own.get(name)) and not hasattr(own[name], "corn_impl")
    ]


def _is_own(module: ModuleType, found: object) -> bool:
    return isinstance(found, FunctionType) and found.__module__ == module.__name__


def _fault(name: str, options: Mapping[str, Any], function: Callable[..., Any]) -> str | None:
    if name not in HOOKS:
        # An optional hook is one that not all versions of corn have.
        optional = options.get("optionalhook")
        return None if optional else f"there is no hook {name!r}{did_you_mean(name, HOOKS)}"
    if options.get("wrapper") or options.get("hookwrapper"):
        return (
            f"hook {name} is a wrapper, which corn does not call, because each implementation"
            " is guarded on its own; make it a plain function"
        )
    if inspect.iscoroutinefunction(function):
        return f"hook {name} is an async function, which corn does not await"
    return _bad_argument(HOOKS[name], function)


def _bad_argument(hook: Hook, function: Callable[..., Any]) -> str | None:
    for argument in inspect.signature(function).parameters.values():
        many = argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD)
        if many or argument.default is not argument.empty:
            continue
        if argument.name not in hook.arguments:
            only = ", ".join(hook.arguments) or "none at all"
            return f"hook {hook.name} has no argument {argument.name!r}, only {only}"
        if argument.kind is argument.KEYWORD_ONLY:
            return f"argument {argument.name!r} of hook {hook.name} must not be keyword-only"
    return None
