"""corn inside another program: applications that bring their own configuration.

:class:`BaseApplication` reads neither a command line nor a config file; its subclass sets what it
wants in :meth:`~BaseApplication.load_config`. :class:`Application` is the ``corn`` command with an
application of its own. The names, and the order of calls, are those in the manual's chapter on
custom applications.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

from corn_core import assemble
from corn_core.cli import report
from corn_core.config import CODE, Config, Origin
from corn_core.errors import ConfigError, CornError, did_you_mean
from corn_core.findings import Review
from corn_core.framework import Framework, in_framework
from corn_core.hookspecs import HOOKS
from corn_core.interfaces import WSGIApp
from corn_core.loaders.guard import run_guarded
from corn_core.process.environment import working_directory
from corn_core.settings.commandline import parse
from corn_core.settings.environment import CMD_ARGS, FOREIGN_CMD_ARGS
from corn_core.settings.sources import ConfigHook, Resolution, resolve

_HOOKS = {name: hook for name, hook in HOOKS.items() if hook.in_config_file}


class EmbeddedConfig:
    """The configuration of an embedded server, while it is being built and afterwards.

    ``settings`` holds the name of every setting and every hook function. Values are read as
    attributes.
    """

    def __init__(self, resolution: Resolution) -> None:
        self.config = resolution.config
        self.hooks = dict(resolution.hooks)
        self.warnings = resolution.warnings
        self.settings: Mapping[str, object] = {**self.config.settings, **_HOOKS}
        self.given: dict[str, object] = {}

    def set(self, name: str, value: object) -> None:
        """Set a setting or a hook function.

        :raises ConfigError: when there is none with that name, or it cannot take the value.
        """
        if name in _HOOKS:
            if not callable(value):
                raise ConfigError(f"{name}: expected a function, got {value!r} ({CODE})")
            self.hooks[name] = ConfigHook(value, str(CODE))
        elif name in self.config.settings:
            self.config = self.config.replace(**{name: value})
        else:
            raise ConfigError(
                f"there is no setting {name!r}{did_you_mean(name, self.settings)} ({CODE})"
            )
        self.given[name] = value

    def __getattr__(self, name: str) -> Any:
        return getattr(self.config, name)


class BaseApplication:
    """A server for one application, configured in code.

    A subclass supplies :meth:`load_config` and :meth:`load`. A reload (HUP) calls
    :meth:`load_config` again, and each new worker :meth:`load`, where ``cfg`` is the
    configuration that this worker serves with.

    :param usage: accepted for existing subclasses, as is ``prog``; not used.
    """

    cfg: EmbeddedConfig
    _argv: Sequence[str] = ()

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self.callable: WSGIApp | None = None
        self._environ = dict(os.environ)
        self._directory = working_directory()
        self._fresh = True
        try:
            begun = assemble.begin(self._argv, self._environ)
        except CornError as error:
            sys.exit(report(error))
        if begun is None:
            sys.exit(0)
        self._plugins, self._registry = begun
        try:
            self.do_load_config()
        except CornError as error:
            assemble.warn(self._plugins.notes())
            sys.exit(report(error))

    # -- what a subclass supplies ----------------------------------------------------

    def load_config(self) -> None:
        """Set whatever differs from the defaults, with ``self.cfg.set(name, value)``."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is configured")

    def load(self) -> WSGIApp:
        """Return the WSGI application; called in each worker, or in the master with preload_app."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it serves")

    # -- what a program calls --------------------------------------------------------

    def run(self) -> NoReturn:
        """Serve until told to stop, then exit; each worker process also ends in here."""
        assembly = assemble.Assembly(self._plugins, self._read, _OwnLoader(self))
        try:
            status = assemble.start(assembly)
        except CornError as error:
            status = report(error)
        sys.exit(status)

    def reload(self) -> None:
        """Build the configuration again."""
        self.do_load_config()

    def wsgi(self) -> WSGIApp:
        """Return the application, which is loaded once per process."""
        if self.callable is None:
            self.callable = self.load()
        return self.callable

    # -- between the two -------------------------------------------------------------

    def load_default_config(self) -> None:
        """Start from the defaults, and the variables that replace them."""
        variables = {
            name: value
            for name, value in self._environ.items()
            if name not in (CMD_ARGS, FOREIGN_CMD_ARGS)
        }
        # An empty --config: this server has no config file, not even ./corn.conf.py.
        resolution = resolve(self._registry, ["--config="], variables, self._directory)
        self.cfg = EmbeddedConfig(resolution)

    def do_load_config(self) -> None:
        """Start over, and let the subclass set what it wants."""
        self.load_default_config()
        self.load_config()

    def _read(self, directory: str) -> Resolution:
        self._directory = directory
        before = self.cfg
        if not self._fresh:
            try:
                self.reload()
            except BaseException:
                # Broad, because it is the embedder's code: the server goes on with what it had.
                self.cfg = before
                raise
        self._fresh = False
        return Resolution(self.cfg.config, self.cfg.hooks, self.cfg.warnings)


class Application(BaseApplication):
    """The ``corn`` command for an application of its own: command line, config file and all.

    A subclass supplies :meth:`load`, and :meth:`init` if it has settings or arguments. The sources
    are read when an object is made: by then, a subclass has to have what its :meth:`init` needs.
    """

    def __init__(self, usage: str | None = None, prog: str | None = None) -> None:
        self._argv = sys.argv[1:]
        super().__init__(usage, prog)

    def init(self, parser: None, opts: SimpleNamespace, args: list[str]) -> Any:
        """Inspect the command line; may return settings, which files and flags override.

        ``self.cfg.set`` in here does the same for one setting.

        :param parser: always ``None``, because plugins declare flags.
        :param opts: the flags that were given, by the setting's name, as typed.
        :param args: the arguments that are not flags.
        """
        return None

    def load_config(self) -> None:
        """Read the sources of the command.

        A subclass that overrides it calls this one. What it sets before, files and flags
        override; what it sets afterwards is final.
        """
        given, args = parse(self._registry, self._argv, Review(self._plugins.explain))
        options = {name: raw for name, (_, raw) in given.items()}
        returned = self.init(None, SimpleNamespace(**options), args) or {}
        own = self.cfg.given

        def origin(name: str) -> Origin:
            return in_framework(name) if name in returned else CODE

        def ask(_: Config) -> Framework:
            return Framework({**own, **returned}, origin)

        review = Review(self._plugins.explain)
        self.cfg = EmbeddedConfig(
            resolve(self._registry, self._argv, self._environ, self._directory, ask, review)
        )


class _OwnLoader:
    """Loads the application from an application object."""

    def __init__(self, application: BaseApplication) -> None:
        self._application = application

    def load(self, config: Config) -> WSGIApp:
        # A reload that failed later on may have left the next one here.
        self._application.cfg.config = config
        app: WSGIApp = run_guarded(self.name(config), "load()", self._application.wsgi)
        return app

    def name(self, config: Config) -> str:
        return type(self._application).__name__
