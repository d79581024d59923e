"""Validates the worker, logger and loader that a configuration names, before anything starts.

The author of a bad class gets one line that says what is wrong, instead of a traceback from
somewhere in the server later.
"""

from __future__ import annotations

from collections.abc import Callable
from traceback import walk_tb
from types import MethodType
from typing import Any

from corn_core import interfaces
from corn_core.config import Config
from corn_core.errors import AppLoadError, CornError, ExtensionError, did_you_mean, one_line
from corn_core.extensions import hints
from corn_core.frames import explained
from corn_core.interfaces import Logger, WSGIApp
from corn_core.logs import Logger as SimpleLogger
from corn_core.worker.base import Worker

_LOGGER = (
    *(name for name in vars(interfaces.Logger) if not name.startswith("_")),
    *interfaces.Logger.__annotations__,
)


def worker_class_of(found: object, config: Config) -> type[Worker]:
    """Validate the worker class found for a configuration, and return it.

    :raises ExtensionError: when it cannot serve as a worker.
    """
    what = f"worker class {config.worker_class!r}"
    if not (isinstance(found, type) and issubclass(found, Worker)):
        raise ExtensionError(
            f"{what} is not a subclass of corn_core.worker.Worker (it is {_kind(found)});"
            f" {_instead_of(found)}"
        )
    if found.run is Worker.run:
        raise ExtensionError(f"{what} has no method run(self), which is what serves requests")
    for name in ("check_config", "check_app", "before_boot"):
        if not isinstance(getattr(found, name), MethodType):
            raise ExtensionError(f"{what}: {name} is not a classmethod")
    for name in ("capabilities", "ignored_settings"):
        names = getattr(found, name)
        if isinstance(names, str):
            raise ExtensionError(f"{what}: {name} is the text {names!r}, not a list of names")
    _check_names(what, found, config)
    return found


def _instead_of(found: object) -> str:
    base = hints.foreign_base("worker_class", found)
    if base is None:
        return "derive it from that class, or name an installed worker"
    path, driver = base
    more = (
        "; what CONFIG_KWARGS has are settings, such as asgi_loop and asgi_lifespan"
        if hasattr(found, "CONFIG_KWARGS")
        else ""
    )
    return f"{path} runs in Gunicorn only, and corn's worker {driver!r} takes its place{more}"


def let_worker_refuse(worker_class: type[Worker], config: Config) -> None:
    """Let a worker class refuse a configuration that it cannot work with.

    :raises CornError: when it does, or fails.
    """
    what = f"check_config of worker class {config.worker_class!r}"
    _guarded(what, lambda: worker_class.check_config(config))


def _check_names(what: str, worker_class: type[Worker], config: Config) -> None:
    """Refuse a misspelt setting; a name unlike any other may belong to a missing plugin."""
    for name in worker_class.ignored_settings:
        hint = "" if name in config else did_you_mean(name, config.settings)
        if hint:
            raise ExtensionError(f"{what}: {name!r} in ignored_settings is not a setting{hint}")


def logger_of(logger_class: Callable[[Config], Any], config: Config) -> Logger:
    """Make the logger of a configuration, which opens its files.

    :raises CornError: when it cannot be made, or is not a logger.
    """
    what = f"logger class {config.logger_class!r}"
    base = hints.foreign_base("logger_class", logger_class)
    derived = isinstance(logger_class, type) and issubclass(logger_class, SimpleLogger)
    if base is not None and not derived:
        raise ExtensionError(
            f"{what} is derived from {base[0]} of the Gunicorn that is installed; pip uninstall"
            " gunicorn, and corn-gunicorn has a class of that name which corn can use"
        )
    log = _guarded(what, lambda: logger_class(config))
    advice = (
        "; its method setup has to call super().setup(config)"
        if derived
        else "; derive it from corn_core.plugin.SimpleLogger, which has all of them"
    )
    _check_attributes(what, log, _LOGGER, advice)
    return log  # type: ignore[no-any-return]  # its attributes are all that can be known


class ValidLoader:
    """The app loader of a configuration, with its results validated.

    :param made_by: the loader class.
    :raises CornError: when it cannot make a loader.
    """

    def __init__(self, made_by: Callable[[], Any], config: Config) -> None:
        self._what = f"app loader {config.app_loader!r}"
        self._loader = _guarded(self._what, made_by)
        _check_attributes(self._what, self._loader, ("load", "name"), "")

    def name(self, config: Config) -> str:
        """Return what to call the application.

        :raises CornError: when there is none.
        """
        name = _guarded(f"name of {self._what}", lambda: self._loader.name(config))
        if not isinstance(name, str):
            raise ExtensionError(f"{self._what}: name returned {name!r}, not a text")
        return name

    def load(self, config: Config) -> WSGIApp:
        """Load the application.

        :raises AppLoadError: when the loader returns none.
        """
        app: WSGIApp | None = self._loader.load(config)
        if app is None:
            raise AppLoadError(f"{self._what}: load returned None instead of an application")
        return app


def _check_attributes(what: str, found: object, names: tuple[str, ...], advice: str) -> None:
    missing = [name for name in names if not hasattr(found, name)]
    if missing:
        raise ExtensionError(f"{what} has no {', '.join(missing)}{advice}")


def _guarded(what: str, code: Callable[[], Any]) -> Any:
    # Broad, because the code is a plugin's; the cause stays attached.
    try:
        return code()
    except CornError:
        raise
    except Exception as error:
        failure = ExtensionError(f"{what} failed: {one_line(error)}{_place(error)}")
        raise explained(failure, error) from error


def _place(error: Exception) -> str:
    """Return where the error was raised, unless that is where the code was called."""
    *_, (frame, line) = walk_tb(error.__traceback__)
    file = frame.f_code.co_filename
    return "" if file == __file__ else f" ({file} line {line})"


def _kind(found: object) -> str:
    if isinstance(found, type):
        return f"the class {found.__module__}.{found.__qualname__}"
    return f"of type {type(found).__name__}"
