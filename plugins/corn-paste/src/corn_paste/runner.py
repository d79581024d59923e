"""``use = egg:corn-paste#main``: the server for programs that read the ini file themselves.

Such a program, for example ``pserve``, loads the application and passes it to this module, along
with the contents of the server's section. All other sources of a configuration count as they do
for ``corn``, but there is no command line.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Mapping
from typing import Any, NoReturn

from corn_core.assemble import Assembly, registry_of, start
from corn_core.cli import report
from corn_core.extensions.manager import DISABLE_PLUGINS, load_plugins
from corn_core.findings import Review
from corn_core.plugin import ConfigError, CornError, Framework, Origin
from corn_core.settings.commandline import early_value
from corn_core.settings.sources import Resolution, resolve
from corn_core.typing import Config, WSGIApp
from corn_paste.ini import MAIN, SERVERS, Ini, Section
from corn_paste.server import is_foreign, server_settings, settings_in


def main(app: WSGIApp, global_conf: Mapping[str, Any] | None, /, **settings: str) -> None:
    """Serve an application until told to stop; the worker processes return from here too.

    :param global_conf: the global settings of the ini file, including its path as ``__file__``.
    :param settings: the contents of the server's section, as text.
    """
    runner = _Runner(app, {**(global_conf or {})}, settings)
    try:
        status = runner.run()
    except CornError as error:
        status = report(error)
    if status:
        _leave(status)


def _leave(status: int) -> NoReturn:
    """Exit with a status, bypassing the caller: pserve would turn a SystemExit into status 0."""
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(status)


class _Runner:
    """One server, and the loader of its application, which is already loaded."""

    def __init__(
        self, app: WSGIApp, global_conf: dict[str, Any], settings: Mapping[str, str]
    ) -> None:
        self._app = app
        self._variables = {name: str(value) for name, value in global_conf.items()}
        self._path = self._variables.get("__file__", "")
        # Now, because the server may change directory.
        self._shown = _shown(self._path)
        self._given = dict(settings)
        self._name: str | None = None
        self._fresh = True
        self._plugins = load_plugins(early_value(DISABLE_PLUGINS, (), os.environ))
        self._registry = registry_of(self._plugins)
        self._environ = dict(os.environ)

    def run(self) -> int:
        """Serve; returns the exit status of the master, or of the worker this process has become.

        :raises CornError: when the server cannot start.
        """
        return start(Assembly(self._plugins, self._read, self))

    def load(self, config: Config) -> WSGIApp:
        return self._app

    def name(self, config: Config) -> str:
        return self._path or type(self._app).__name__

    # -- the configuration -----------------------------------------------------------

    def _read(self, directory: str) -> Resolution:
        review = Review(self._plugins.explain)
        return resolve(self._registry, [], self._environ, directory, self._framework, review)

    def _framework(self, config: Config) -> Framework:
        framework = self._server_settings(config)
        # The application was loaded before this process became a master, which is what
        # preload_app means to the reloader and the worker class.
        settings = {**framework.settings, "preload_app": True}
        loaded = Origin("framework", "the application was loaded before the server")
        return framework._replace(
            settings=settings,
            origin=lambda name: loaded if name == "preload_app" else framework.origin(name),
        )

    def _server_settings(self, config: Config) -> Framework:
        """Return the section's current settings in a reload, if the section can be found again."""
        places = dict.fromkeys(self._given, "the server's section")
        if not os.path.isfile(self._path):
            values, places = settings_in(self._given, places, config.settings)
            return Framework(values, lambda name: Origin("framework", places[name]))
        ini = Ini(self._path, self._shown, self._variables)
        if self._fresh:
            self._fresh = False
            self._name = self._name_of_section(ini)
        section = Section(None, self._given, places)
        if self._name is not None:
            found = ini.server(self._name)
            if found is None:
                raise ConfigError(f"{ini.shown} has no section [server:{self._name}] any more")
            section = found
        return server_settings(ini, section, config.settings)

    def _name_of_section(self, ini: Ini) -> str | None:
        """Find the section that the settings came from, which pserve does not tell us."""
        best: tuple[int, str] | None = None
        for name in sorted(ini.names(SERVERS), key=lambda name: name != MAIN):
            try:
                section = ini.server(name)
            except ConfigError:
                continue  # not this one, or PasteDeploy would have complained
            if section is None or is_foreign(section):
                continue
            # It may have more keys: PasteDeploy leaves out those that are in [DEFAULT] too.
            more = len(section.values) - len(self._given)
            if self._given.items() <= section.values.items() and (best is None or more < best[0]):
                best = more, name
        return best[1] if best else None


def _shown(path: str) -> str:
    """Return a path in the form in which the user probably gave it."""
    near = os.path.relpath(path or os.curdir)
    return path if near.startswith(os.pardir) else near
