"""The loader of Django projects, whose settings name the application."""

from __future__ import annotations

from functools import partial
from typing import Any

from corn_core.plugin import AppLoadError, load_app
from corn_core.typing import Config, WSGIApp
from corn_django.guard import guarded
from corn_django.project import SettingsModule, find_settings
from corn_django.trial import failure, import_settings, try_settings

STATICFILES = "django.contrib.staticfiles"


class DjangoLoader:
    """The loader behind the name ``django``, of the entry-point group ``corn.loaders``.

    :param serving: whether it is made in a master that serves already, for a reload.
    """

    def __init__(self, serving: bool = False) -> None:
        self._serving = serving

    def load(self, config: Config) -> WSGIApp:
        """Load the application that ``wsgi_app`` names, or else the project's; see :meth:`name`.

        :raises AppLoadError: when it cannot be loaded; with the project's own traceback, if
            the error came from its code.
        """
        app: WSGIApp
        app = load_app(config.wsgi_app) if config.wsgi_app else _load(find_settings(config))
        if config.django_static:
            app = guarded("django_static cannot be done", partial(_with_static_files, app))
        return app

    def name(self, config: Config) -> str:
        """Return what is served: ``wsgi_app``, or the project's settings module.

        :raises ConfigError: when there is no project, or its settings cannot be determined.
        :raises AppLoadError: when the settings cannot be imported.
        """
        if config.wsgi_app:
            return str(config.wsgi_app)
        module = find_settings(config)
        # A check loads the project anyway, and in a reload the old workers keep serving until new
        # ones have loaded it.
        if not (config.check_config or config.print_config or self._serving):
            try_settings(module)
        return module.name


def _load(module: SettingsModule) -> Any:
    """Load what runserver would serve: WSGI_APPLICATION, or without it Django's own handler."""
    import_settings(module)
    what = failure(module)
    path = guarded(what, _application_path)
    if path is None:
        return guarded(what, _default_application)
    name = f"WSGI_APPLICATION of {module.name}"
    if not isinstance(path, str) or "." not in path.strip("."):
        raise AppLoadError(f"{name}: expected a name such as mysite.wsgi.application, got {path!r}")
    try:
        return load_app(":".join(path.rsplit(".", 1)))
    except AppLoadError as error:
        # The user named no application, so say where this one came from.
        raise AppLoadError(f"{name}: {error}", error.details) from None


def _application_path() -> Any:
    # lazy: Django must not be imported before its settings are known
    from django.conf import settings

    return settings.WSGI_APPLICATION


def _default_application() -> Any:
    # lazy: see above
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def _with_static_files(app: WSGIApp) -> Any:
    # lazy: see above
    from django.apps import apps
    from django.conf import settings

    if not settings.DEBUG:
        return app
    if not apps.is_installed(STATICFILES):
        raise AppLoadError(f"django_static: {STATICFILES!r} is not in INSTALLED_APPS")
    # lazy: it can only be imported if the app is installed
    from django.contrib.staticfiles.handlers import StaticFilesHandler

    return StaticFilesHandler(app)
