"""The plugin: its settings, and the files in front of the application.

Every server with the plugin installed imports this module; only those that serve files import more.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from corn_core.plugin import AppLoadError, ConfigError, hookimpl
from corn_static.settings import SETTINGS

if TYPE_CHECKING:
    from corn_core.plugin import Setting
    from corn_core.typing import Config, WorkerView, WSGIApp


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    return SETTINGS


@hookimpl
def corn_configured(config: Config) -> None:
    for mount in config.static:
        if not os.path.isdir(mount.directory):
            raise ConfigError(
                f"static: {mount.directory!r} is not a directory ({config.origin('static')})"
            )


@hookimpl
def corn_check_app(config: Config, interface: str) -> None:
    if config.static and interface != "wsgi":
        raise AppLoadError(
            f"static: files can be served beside WSGI applications, and {config.wsgi_app!r}"
            f" is one of {interface} ({config.origin('static')})"
        )


@hookimpl
def corn_wrap_app(worker: WorkerView, app: WSGIApp, interface: str) -> WSGIApp | None:
    if not worker.cfg.static:
        return None
    corn_check_app(worker.cfg, interface)
    from corn_static.files import StaticFiles  # lazy: most servers serve none

    return StaticFiles(app, worker.cfg, worker.log)
