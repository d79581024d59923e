"""The loader of applications described by an ini file."""

from __future__ import annotations

import configparser
import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

from corn_core.plugin import AppLoadError, ConfigError, run_guarded
from corn_core.typing import WSGIApp
from corn_paste.ini import Ini

if TYPE_CHECKING:
    from corn_core.typing import Config

files_read: set[str] = set()
"""The ini files that this process's application was made from."""


class PasteLoader:
    """The loader behind the name ``paste``, of the entry-point group ``corn.loaders``.

    :param ini: the file as it was when the configuration was read. Each worker reads it again,
        and makes the application from its contents at that time.
    :param app: the application's name; None means the main one.
    """

    def __init__(self, ini: Ini | None = None, app: str | None = None) -> None:
        self._ini = ini
        self._app = app

    def name(self, config: Config) -> str:
        """Return the path of the file, with the name of the application if one was given."""
        return self._file().path + (f"#{self._app}" if self._app else "")

    def load(self, config: Config) -> WSGIApp:
        """Load the application.

        :raises AppLoadError: when it cannot be loaded.
        """
        ini = self._file()
        files_read.update(ini.files())
        directory = os.path.dirname(ini.path)
        if directory not in sys.path:
            # The modules of an application that is not installed are here.
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
        # lazy: only the process that loads the application needs them
        from urllib.parse import quote

        from paste.deploy import loadapp

        return loadapp(f"config:{quote(ini.path)}", self._app, global_conf=dict(ini.variables))


def _foreign() -> tuple[str, ...]:
    """Return prefixes of the files that load an application but do not belong to it."""
    import paste.deploy  # lazy: see above

    packages = (*paste.deploy.__path__, *importlib.__path__, os.path.dirname(__file__))
    return (*(os.path.join(each, "") for each in packages), configparser.__file__)
