"""The plugin ``django``: its settings and hooks. Other modules import Django itself."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any

from corn_core.plugin import ConfigError, Expected, Setting, boolean, hookimpl, optional, string
from corn_core.typing import Config, WorkerView
from corn_django.names import MANAGE, PATH_VARIABLE, SETTINGS_VARIABLE


def dotted_module(raw: object) -> str:
    """Parse ``django_settings``."""
    name = string(raw)
    if not all(part.isidentifier() for part in name.split(".")):
        raise Expected("a module's dotted name, such as mysite.settings")
    return name


SETTINGS = (
    Setting(
        name="django_settings",
        section="Django",
        parse=optional(dotted_module),
        default=None,
        help=(
            "The Django settings module, such as mysite.settings. DJANGO_SETTINGS_MODULE is set to"
            " it before the application is loaded, whatever its value was and whatever raw_env"
            " says. If no application is named, the project with these settings is served."
        ),
        flags=("--settings",),
        metavar="MODULE",
    ),
    Setting(
        name="django_static",
        section="Django",
        parse=boolean,
        default=False,
        help=(
            "Serve the static files of a Django project in development, as runserver does: with"
            " DEBUG, those that django.contrib.staticfiles finds, under STATIC_URL. It has no"
            " effect without DEBUG."
        ),
        flags=("--django-static",),
        action="store_true",
    ),
)


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    return SETTINGS


@hookimpl
def corn_configured(config: Config) -> None:
    """Refuse ``django_static`` with another loader, because this plugin's own serves the files."""
    if not config.django_static:
        return
    for other, chosen in {
        "paste": bool(getattr(config, "paste", None)),
        "app_loader": config.app_loader == "wsgi",
    }.items():
        if chosen:
            raise ConfigError(
                f"django_static ({config.origin('django_static')}) has no effect with"
                f" {other} ({config.origin(other)}); leave out one of them"
            )


@hookimpl
def corn_environment(config: Config) -> dict[str, str] | None:
    return {SETTINGS_VARIABLE: config.django_settings} if config.django_settings else None


@hookimpl
def corn_app_loader(config: Config) -> Any:
    """Choose the project in this directory, if nothing else says what to serve.

    It is not called when a framework's own file does.
    """
    if config.app_loader not in ("auto", "django"):
        return None
    if config.app_loader == "auto" and not _is_for_a_project(config):
        return None
    # lazy: most servers with this plugin installed are told what to serve
    from corn_django.loader import DjangoLoader

    return partial(DjangoLoader, serving=_serving)


_serving = False


@hookimpl
def when_ready() -> None:
    """Remember that loaders are asked for by reloads from now on."""
    global _serving
    _serving = True


@hookimpl
def pre_fork() -> None:
    """Close a preloaded project's database connections, which processes cannot share."""
    if _is_set_up():
        # In the master: if a worker closed it, it would end for all processes.
        sys.modules["django.db"].connections.close_all()


@hookimpl
def post_worker_init(worker: WorkerView) -> None:
    if worker.reloader is not None and _is_set_up():
        # lazy: needed only in development
        from corn_django.templates import watch_templates

        watch_templates(worker.log, worker.reloader)


@hookimpl
def corn_check_app() -> None:
    if _is_set_up():
        # lazy: needed only for a check
        from corn_django.checks import run_deployment_checks

        run_deployment_checks()


def _is_for_a_project(config: Config) -> bool:
    if config.wsgi_app:
        return bool(config.django_static)
    return bool(config.django_settings) or _is_there_a_project()


def _is_there_a_project() -> bool:
    if PATH_VARIABLE in os.environ:
        return True
    try:
        with open(MANAGE, "rb") as file:
            # Other frameworks have a file with this name too.
            return SETTINGS_VARIABLE.encode() in file.read()
    except OSError:
        return False


def _is_set_up() -> bool:
    """Tell whether a Django project has been loaded into this process."""
    module = sys.modules.get("django.apps")
    return module is not None and bool(module.apps.ready)
