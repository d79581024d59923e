"""Finds drivers: turns the name of a worker, a logger or an app loader into a class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

from corn_core.errors import ExtensionError, answered, did_you_mean, one_line
from corn_core.extensions import hints
from corn_core.extensions.entrypoints import (
    LOADERS,
    LOGGERS,
    RELOADERS,
    WORKERS,
    astray,
    distribution_of,
    entry_points,
    load_driver,
)
from corn_core.frames import explained
from corn_core.setting import Setting, name_or_object

SETTINGS = (
    Setting(
        name="worker_class",
        section="Worker Processes",
        parse=name_or_object,
        default="sync",
        help=(
            "The type of worker: the name of an installed one such as sync, gthread or"
            " gevent, package.module.Class, package.module:Class, or egg:distribution#name."
            " A config file may also give the class itself."
        ),
        flags=("-k", "--worker-class"),
        metavar="NAME",
    ),
    Setting(
        name="logger_class",
        section="Logging",
        parse=name_or_object,
        default="simple",
        help=(
            "The logger: the name of an installed one, package.module.Class,"
            " package.module:Class, or egg:distribution#name. A config file may also give"
            " the class itself, which is called with the configuration."
        ),
        flags=("--logger-class",),
        metavar="NAME",
    ),
    Setting(
        name="app_loader",
        section="Server Mechanics",
        parse=name_or_object,
        default="auto",
        help=(
            "The loader of the application: the name of an installed loader,"
            " package.module.Class, package.module:Class, or egg:distribution#name. auto"
            " asks the installed plugins, and then uses the wsgi loader, which imports"
            " MODULE:APP."
        ),
        flags=("--app-loader",),
        metavar="NAME",
    ),
)


class _Kind(NamedTuple):
    """One kind of driver.

    :param known: the names in first-party distributions, for hints.
    :param default: the distribution to install if there is no driver at all.
    """

    group: str
    noun: str
    one: str
    known: Mapping[str, str]
    default: str


_WORKER = _Kind(WORKERS, "worker class", "worker", hints.WORKERS, "corn-sync")
_LOGGER = _Kind(LOGGERS, "logger class", "logger", hints.LOGGERS, "corn-core")
_LOADER = _Kind(LOADERS, "app loader", "app loader", hints.LOADERS, "corn-core")
_RELOADER = _Kind(RELOADERS, "reload engine", "reload engine", hints.RELOADERS, "corn-core")

_POLL = "poll"
"""The core's own reload engine, which ``auto`` uses if there is no other."""


def find_worker_class(name: object) -> Any:
    """Find the worker class for a value of ``worker_class``.

    :param name: an entry point's name, an import path, ``egg:distribution#name``
        or the class itself.
    :raises ExtensionError: when there is none; the text says what to install or
        correct.
    """
    return _find(_WORKER, name)


def name_of_worker(given: object, found: type) -> str:
    """Tell the name of the worker class that was found for a value of ``worker_class``.

    That is the value itself, unless another installed worker took over, as gthread does for sync
    with several threads, or the value is a class.
    """
    path = f"{found.__module__}:{found.__qualname__}"
    names = [each.name for each in entry_points(WORKERS) if each.value == path]
    if isinstance(given, str) and (given in names or not names):
        return given
    return names[0] if names else found.__qualname__


def find_logger_class(name: object) -> Any:
    """Find the logger class for a value of ``logger_class``; see :func:`find_worker_class`."""
    return _find(_LOGGER, name)


def find_app_loader(name: object) -> Any:
    """Find the app loader for a value of ``app_loader``; see :func:`find_worker_class`."""
    return _find(_LOADER, name)


def find_reload_engine(name: object) -> Any:
    """Find the engine for a value of ``reload_engine``; see :func:`find_worker_class`.

    ``auto`` means the first installed engine in alphabetical order, or else the core's own.
    """
    if name == "auto":
        others = sorted({each.name for each in entry_points(RELOADERS)} - {_POLL})
        name = others[0] if others else _POLL
    return _find(_RELOADER, name)


def _find(kind: _Kind, name: object) -> Any:
    if not isinstance(name, str):
        return name
    if name.startswith("egg:"):
        return _from_egg(kind, name)
    return _from_entry_point(kind, name)


def _from_entry_point(kind: _Kind, name: str) -> Any:
    found = _named(kind, name)
    if not found and (":" in name or "." in name):
        return _from_path(kind, name)
    if not found:
        raise ExtensionError(_unknown(kind, name))
    if len(found) > 1:
        owners = " and ".join(distribution_of(each) for each in found)
        eggs = " or ".join(f"egg:{_owner(each)}#{name}" for each in found)
        raise ExtensionError(f"{kind.noun} {name!r} is in both {owners}; say {eggs}")
    return _load(kind, found[0], lambda: load_driver(kind.group, name))


def _from_egg(kind: _Kind, name: str) -> Any:
    """Load an entry point named ``egg:distribution#name``, where ``main`` is the default name."""
    owner, _, wanted = name.removeprefix("egg:").partition("#")
    wanted = wanted or "main"
    found = entry_points(kind.group)
    for each in found:
        if each.name == wanted and _normal(_owner(each)) == _normal(owner):
            return _load(kind, each, each.load)
    # For example the manual's egg:gunicorn#gevent: the name is right, but the owner is not.
    owners = [_owner(each) for each in found if each.name == wanted]
    if owners:
        raise ExtensionError(
            f"{kind.noun} {name!r}: {owner} has no {wanted!r}; did you mean"
            f" 'egg:{owners[0]}#{wanted}'?"
        )
    hint = did_you_mean(wanted, [*(each.name for each in found), *kind.known])
    raise ExtensionError(f"{kind.noun} {name!r}: {owner} has no {wanted!r}{hint}")


def _from_path(kind: _Kind, name: str) -> Any:
    """Import the class named ``package.module:Class`` or ``package.module.Class``."""
    module, _, attributes = name.partition(":") if ":" in name else name.rpartition(".")
    if not module or module.startswith("."):
        raise ExtensionError(f"{kind.noun} {name!r}: not a path of the form package.module:Class")
    found = _loaded(lambda: f"{kind.noun} {name!r}", lambda: import_module(module))
    for attribute in attributes.split("."):
        if not hasattr(found, attribute):
            hint = did_you_mean(attribute, vars(found))
            raise ExtensionError(f"{kind.noun} {name!r}: {module} has no {attribute!r}{hint}")
        found = getattr(found, attribute)
    return found


def _named(kind: _Kind, name: str) -> list[EntryPoint]:
    """Find the entry points with that name, also those installed since the server started."""
    found = [each for each in entry_points(kind.group) if each.name == name]
    if found or ":" in name or "." in name:
        return found
    return [each for each in entry_points(kind.group, rescan=True) if each.name == name]


def _load(kind: _Kind, entry_point: EntryPoint, load: Callable[[], Any]) -> Any:
    def what() -> str:
        # Only when it is needed, because a distribution's metadata takes a millisecond to read.
        owner = distribution_of(entry_point)
        return f"{kind.noun} {entry_point.name!r} of {owner} cannot be loaded"

    return _loaded(what, load)


def _loaded(what: Callable[[], str], load: Callable[[], Any]) -> Any:
    # Broad, because importing runs foreign code; the cause stays attached.
    try:
        return load()
    except (Exception, SystemExit) as error:
        failure = ExtensionError(f"{what()}: {one_line(error)}{answered(error)}")
        raise explained(failure, error) from error


def _unknown(kind: _Kind, name: str) -> str:
    """Say which driver is missing, what to do about it, and which ones are installed."""
    installed = sorted({each.name for each in entry_points(kind.group)})
    if not installed and kind.known.get(name) == kind.default:
        return f"no {kind.one} is installed; pip install {kind.default}"
    if name in kind.known:
        have = _have(kind, installed, f"no {kind.one} is installed")
        # The only worker there is may well be what the user wants.
        only = kind is _WORKER and len(installed) == 1
        other = f", or take the installed one: -k {installed[0]}" if only else ""
        advice = f"pip install {kind.known[name]}{other}"
        return f"{kind.noun} {name!r} is not installed; {advice}{have}"
    have = _have(kind, installed, f"no {kind.one} is installed; pip install {kind.default}")
    hint = astray(name) or did_you_mean(name, [*installed, *kind.known])
    return f"{kind.noun} {name!r} is not known{hint}{have}"


def _have(kind: _Kind, installed: list[str], otherwise: str) -> str:
    return f" (installed {kind.one}s: {', '.join(installed)})" if installed else f" ({otherwise})"


def _owner(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist else ""


def _normal(name: str) -> str:
    """Normalise a distribution's name (PEP 503)."""
    return name.lower().replace("_", "-").replace(".", "-")
