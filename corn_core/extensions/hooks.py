"""Calls hooks: every implementation, one by one, each guarded on its own.

pluggy keeps the implementations and their order. It does not call them, because it would stop at
the first one that raises. Here all are called, and for the same reason wrappers are refused. A
failure of a fatal hook is raised after all have run, and any other failure is logged with the name
of its plugin. :data:`corn_core.hookspecs.HOOKS` says which hooks are fatal.

A ``BaseException`` other than ``Exception`` (``SystemExit``, a worker's order to quit) passes
through at once, because it is a decision rather than a failure.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from itertools import takewhile
from types import TracebackType
from typing import Any, NoReturn

from pluggy import HookImpl, PluginManager

from corn_core.errors import CornError, HookFailed, line_in
from corn_core.extensions import positional
from corn_core.frames import explained
from corn_core.hookspecs import HOOKS, Hook

# The frames between the call of a hook and the code of a plugin or a config file.
_CALLERS = (__file__, positional.__file__)

_Call = tuple[str, Callable[..., Any], tuple[str, ...]]


class Hooks:
    """The hook implementations of all plugins; the callable side of a plugin manager."""

    def __init__(self, manager: PluginManager) -> None:
        self._manager = manager
        self._log: Any = logging.getLogger("corn.error")
        self._known: dict[str, tuple[list[HookImpl], list[_Call]]] = {}

    def set_logger(self, log: Any) -> None:
        """Log failures from now on to ``log``, an object with a method ``error``."""
        self._log = log

    def call(self, name: str, /, **arguments: Any) -> list[Any]:
        """Call every implementation of a hook, and return those results that are not ``None``.

        The order is that of pluggy: last registered first, apart from ``tryfirst`` and ``trylast``.
        All implementations are called, whatever one of them raises. What an implementation of a
        hook that is not fatal raises is logged, with its plugin's name, and it has no result.

        :param arguments: all that the hook specifies; each implementation gets those it names.
        :raises HookFailed: when the hook is fatal and an implementation failed, after all have
            been called. It is about the first failure, and the others are logged. A ``CornError``
            is raised as it is, because its text is for the operator already.
        :raises BaseException: at once, such as ``SystemExit``: the implementations that come
            after it are not called.
        """
        return [result for _, result in self.call_each(name, **arguments)]

    def call_each(self, name: str, /, **arguments: Any) -> list[tuple[str, Any]]:
        """Do the same as :meth:`call`, with each result paired with its plugin's name."""
        return self._run(HOOKS[name], self._calls(name), arguments)

    def first(self, name: str, /, **arguments: Any) -> Any:
        """Call implementations until one returns something other than ``None``.

        :raises HookFailed: at once, when an implementation fails.
        """
        for call in self._calls(name):
            result = _result(name, call, arguments)
            if result is not None:
                return result
        return None

    def chain(self, name: str, argument: str, value: Any, /, **arguments: Any) -> Any:
        """Call every implementation with what the one before it returned; return the last result.

        :param argument: the name of the argument that is passed on; ``value`` is the first.
        :raises HookFailed: at once, when an implementation fails; a ``CornError`` as it is.
        """
        for call in self._calls(name):
            result = _result(name, call, {**arguments, argument: value})
            if result is not None:
                value = result
        return value

    def bind(self, name: str, /) -> Callable[..., list[Any]] | None:
        """Return the hook as a callable of keyword arguments, or ``None`` if none implements it.

        The implementations are looked up once, now; plugins registered later are not called.
        """
        hook, calls = HOOKS[name], self._calls(name)
        if not calls:
            return None
        return lambda **arguments: [result for _, result in self._run(hook, calls, arguments)]

    def _run(
        self, hook: Hook, calls: list[_Call], arguments: Mapping[str, Any]
    ) -> list[tuple[str, Any]]:
        results: list[tuple[str, Any]] = []
        failures: list[tuple[str, Exception]] = []
        for plugin, function, names in calls:
            # Broad, because the code is a plugin's: its failure must not keep the next plugin
            # from being called, and it is reported below.
            try:
                result = function(*[arguments[argument] for argument in names])
            except Exception as error:
                failures.append((plugin, error))
            else:
                if result is not None:
                    results.append((plugin, result))
        if failures:
            self._report(hook, failures)
        return results

    def _report(self, hook: Hook, failures: list[tuple[str, Exception]]) -> None:
        for plugin, error in failures[1:] if hook.fatal else failures:
            place = (type(error), error, _beyond_us(error))
            self._log.error("Hook %s of plugin %s failed", hook.name, plugin, exc_info=place)
        if hook.fatal:
            plugin, error = failures[0]
            _fail(hook.name, plugin, error)

    def _calls(self, name: str) -> list[_Call]:
        found = getattr(self._manager.hook, name).get_hookimpls()
        known = self._known.get(name)
        # Compared, and not kept until told otherwise: plugins come and go with each reload.
        if known is None or known[0] != found:
            calls = [
                (each.plugin_name, each.function, _argument_names(HOOKS[name], each))
                for each in reversed(found)
            ]
            self._known[name] = known = found, calls
        return known[1]


def _argument_names(hook: Hook, implementation: Any) -> tuple[str, ...]:
    adapted = getattr(implementation.function, "corn_arguments", None)
    if adapted is not None:
        return tuple(adapted)
    # An argument with a default is passed too, if the hook has one of that name.
    optional = takewhile(hook.arguments.__contains__, implementation.kwargnames)
    return (*implementation.argnames, *optional)


def _result(name: str, call: _Call, arguments: Mapping[str, Any]) -> Any:
    """Call one implementation; a failure is fatal."""
    plugin, function, names = call
    try:
        return function(*[arguments[argument] for argument in names])
    except Exception as error:  # broad: the code is a plugin's, see _run
        _fail(name, plugin, error)


def _fail(name: str, plugin: str, error: Exception) -> NoReturn:
    """Raise a CornError as it is, and any other error as a HookFailed that names the plugin."""
    if isinstance(error, CornError):
        raise error
    raise explained(HookFailed(name, plugin, error, _where(error)), error) from error


def _where(error: Exception) -> str:
    """Return the place in the implementation's own file, which says more than a library's."""
    step = _beyond_us(error)
    if step is None:
        return ""
    filename = step.tb_frame.f_code.co_filename
    return f"{filename} line {line_in(error, filename)}"


def _beyond_us(error: Exception) -> TracebackType | None:
    """Return the traceback from the implementation on."""
    step = error.__traceback__
    while step is not None and step.tb_frame.f_code.co_filename in _CALLERS:
        step = step.tb_next
    return step
