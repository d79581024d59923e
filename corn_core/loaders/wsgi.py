"""The loader of WSGI applications."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

from corn_core.config import Config
from corn_core.errors import AppLoadError, ConfigError, did_you_mean
from corn_core.frames import in_application
from corn_core.interfaces import WSGIApp
from corn_core.loaders.guard import run_guarded
from corn_core.loaders.target import LIKELY_NAMES, Target, parse_uri

_NOTHING = object()

_CO_COROUTINE = 0x80
"""The flag of functions defined with ``async def``, as in the inspect module."""


class WsgiLoader:
    """The loader behind the name ``wsgi``, of the entry-point group ``corn.loaders``."""

    def load(self, config: Config) -> WSGIApp:
        """Load the application that ``wsgi_app`` names.

        :raises AppLoadError: when it cannot be loaded.
        """
        return load_app(_required_uri(config))

    def name(self, config: Config) -> str:
        """Return what to call the application, in process titles for example."""
        return _required_uri(config)


def _required_uri(config: Config) -> str:
    if not config.wsgi_app:
        raise ConfigError(
            "no application to serve: name one, as in 'corn shop.wsgi:app',"
            " or set wsgi_app in the config file; 'corn -h' lists the options"
        )
    uri: str = config.wsgi_app
    return uri


def load_app(uri: str) -> WSGIApp:
    """Import the application that ``uri`` names, and call its factory if it names one.

    :raises AppLoadError: its text says what to correct; its ``details`` are the traceback of the
        application's own code, if the error came from there.
    """
    target = parse_uri(uri)
    module = run_guarded(uri, f"importing {target.module}", partial(_import, target))
    found = _look_up(target, module)
    app = found if target.call is None else _call(target, found)
    if not callable(app):
        what = f"{target.name} is" if target.call is None else f"{target.name}() returned"
        offer = _offer(module) if target.call is None else ""
        raise AppLoadError(f"{uri!r}: {what} {_kind(app)}, not a WSGI application{offer}")
    return app  # type: ignore[no-any-return]  # callable is all that can be known


# -- the module ----------------------------------------------------------------------


def _import(target: Target) -> ModuleType:
    try:
        return import_module(target.module)
    except ModuleNotFoundError as error:
        if _is_the_named_one(target.module, error):
            raise _module_not_found(target, str(error.name)) from None
        raise


def _is_the_named_one(module: str, error: ModuleNotFoundError) -> bool:
    """Tell whether the missing module is the one asked for, rather than one it imports."""
    name = error.name or ""
    return (module == name or module.startswith(f"{name}.")) and not in_application(error)


def _module_not_found(target: Target, missing: str) -> AppLoadError:
    parent = missing.rpartition(".")[0]
    known: list[str] = []
    if not parent:
        known = _modules_in(_application_directories())
        where = f" in {os.getcwd()} nor elsewhere on the search path (see --chdir, --pythonpath)"
    elif hasattr(sys.modules[parent], "__path__"):
        known = [f"{parent}.{name}" for name in _modules_in(sys.modules[parent].__path__)]
        where = f" in the package {parent!r}"
    else:
        where = f" because {parent!r} is a module, not a package"
    return AppLoadError(
        f"{target.uri!r}: there is no module {missing!r}{where}{did_you_mean(missing, known)}"
    )


def _application_directories() -> list[str]:
    """List the directories of the application's own modules, as opposed to libraries."""
    libraries = tuple({prefix.rstrip("/") + "/" for prefix in (sys.prefix, sys.base_prefix)})
    return [os.getcwd(), *(path for path in sys.path if not f"{path}/".startswith(libraries))]


def _modules_in(directories: Iterable[str]) -> list[str]:
    # lazy: needed only for the message about a missing module
    from pkgutil import iter_modules

    return [module.name for module in iter_modules(directories)]


# -- the name in it ------------------------------------------------------------------


def _look_up(target: Target, module: ModuleType) -> Any:
    found: Any = module
    for depth, name in enumerate(target.path):
        where = ".".join((target.module, *target.path[:depth]))
        # A module or an object may have a __getattr__, which is the application's code.
        look_up = partial(getattr, found, name, _NOTHING)
        value = run_guarded(target.uri, f"looking up {where}.{name}", look_up)
        if value is _NOTHING:
            offer = "" if depth else _offer(module)
            hint = _instead(target, module, depth) or did_you_mean(name, dir(found))
            raise AppLoadError(f"{target.uri!r}: {where} has no {name!r}{offer}{hint}")
        found = value
    return found


def _offer(module: ModuleType) -> str:
    """List what might be the application in a module, the likeliest first."""
    values = vars(module)
    names = [name for name, value in values.items() if _is_candidate(module, name, value)]
    names.sort(key=lambda name: (_likelihood(name), issubclass(type(values[name]), type)))
    return f" (callables there: {', '.join(names[:5])})" if names else ""


def _instead(target: Target, module: ModuleType, depth: int) -> str:
    """Suggest what to write, where a module alone was named and the usual name is not in it."""
    names = [name for name in LIKELY_NAMES if _is_candidate(module, name, vars(module).get(name))]
    if depth or not names or target.uri.strip() != target.module:
        return ""
    return f"; did you mean '{target.module}:{names[0]}'?"


def _likelihood(name: str) -> int:
    return LIKELY_NAMES.index(name) if name in LIKELY_NAMES else len(LIKELY_NAMES)


def _is_candidate(module: ModuleType, name: str, value: Any) -> bool:
    """Tell whether a value is callable, and not merely imported."""
    # type() rather than isinstance() or attributes: proxies such as flask.request forward
    # both, and raise when there is no request.
    kind = type(value)
    if name.startswith("_") or not callable(value):
        return False
    if kind in (FunctionType, BuiltinFunctionType) or issubclass(kind, type):
        return getattr(value, "__module__", None) == module.__name__
    return True


def _call(target: Target, factory: Any) -> Any:
    if not callable(factory):
        raise AppLoadError(
            f"{target.uri!r}: {target.name} is {_kind(factory)}, and cannot be called"
        )
    arguments, keywords = target.call or ((), {})
    make = partial(factory, *arguments, **keywords)
    if is_asynchronous(factory):
        # It has to run in a worker's event loop; a worker without one refuses it.
        return make
    return run_guarded(target.uri, f"{target.name}()", make)


def is_asynchronous(app: Any) -> bool:
    """Tell whether calling an object returns a coroutine, which a WSGI application never does."""
    while isinstance(app, partial):
        app = app.func
    # The same as inspect.iscoroutinefunction, without importing inspect, which is slow.
    for function in (app, vars(type(app)).get("__call__")):
        code = getattr(function, "__code__", None)
        if isinstance(code, CodeType) and code.co_flags & _CO_COROUTINE:
            return True
    return False


def _kind(value: Any) -> str:
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"
