"""Stands for ``gunicorn.app.wsgiapp``."""

import sys
from types import SimpleNamespace
from typing import NoReturn

from corn_core.app import Application
from corn_core.cli import main
from corn_core.plugin import ConfigError, load_app
from corn_core.typing import WSGIApp


class WSGIApplication(Application):
    """The ``corn`` command, for programs that subclass it.

    :ivar app_uri: the application to load: the first argument, or what a subclass sets.
    """

    app_uri: str | None = None

    def init(self, parser: None, opts: SimpleNamespace, args: list[str]) -> None:
        """Take the application from the arguments, if one is named there."""
        if args:
            self.app_uri = args[0]

    def load(self) -> WSGIApp:
        """Import the application.

        :raises CornError: when none is named, or it cannot be loaded.
        """
        uri = self.app_uri or self.cfg.wsgi_app
        if not uri:
            raise ConfigError("no application to serve: set app_uri, or name one as an argument")
        return load_app(uri)


def run(prog: str | None = None) -> NoReturn:
    """Run the ``corn`` command, and exit."""
    sys.exit(main())


__all__ = ["WSGIApplication", "run"]
