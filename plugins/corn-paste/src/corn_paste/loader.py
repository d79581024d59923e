"""The loader of applications that an ini file describes."""

from __future__ import annotations

import configparser
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from corn_core.errors import AppLoadError, ConfigError
from corn_core.interfaces import WSGIApp
from corn_core.loaders.guard import run_guarded
from corn_paste.ini import Ini

if TYPE_CHECKING:
    from corn_core.settings.config import Config

files_read: set[str] = set()
"""The ini files that the application of this process was made of."""


class PasteLoader:
    """The loader behind the name ``paste``, of the entry-point group ``corn.loaders``.

    :param ini: the file, as it was when the configuration was read; it is read again for each
        worker, whose application is that of the file as it is then.
    :param app: the application's name; None is the main one.
    """

    def __init__(self, ini: Ini | None = None, app: str | None = None) -> None:
        self._ini = ini
        self._app = app

    def name(self, config: Config) -> str:
        """The path of the file, with the name of the application if it has one."""
        return self._file().path + (f"#{self._app}" if self._app else "")

    def load(self, config: Config) -> WSGIApp:
        """The application; AppLoadError when it cannot be had."""
        ini = self._file()
        files_read.update(ini.files())
        directory = os.path.dirname(ini.path)
        if directory not in sys.path:
            # Where the modules of an application are that is not installed.
            sys.path.insert(0, directory)
        app = run_guarded(config.paste, "loading it", lambda: self._load(ini), _foreign())
        if not callable(app):
            raise AppLoadError(
                f"{config.paste!r}: the factory returned {app!r}, not a WSGI application"
            )
        return app  # type: ignore[no-any-return]  # callable is all that can be known

    def _file(self) -> Ini:
        if self._ini is None:
            raise ConfigError(
                "app_loader: the loader paste needs an ini file; name it, as in"
                " --paste production.ini"
            )
        return self._ini

    def _load(self, ini: Ini) -> Any:
        # lazy: it is the application's own process that needs them
        from urllib.parse import quote

        from paste.deploy import loadapp

        return loadapp(f"config:{quote(ini.path)}", self._app, global_conf=dict(ini.variables))


def _foreign() -> tuple[str, ...]:
    """The files through which an application is loaded, and which are none of its own."""
    import paste.deploy  # lazy: see above

    packages = (*paste.deploy.__path__, *importlib.__path__, os.path.dirname(__file__))
    return (*(os.path.join(each, "") for each in packages), configparser.__file__)
