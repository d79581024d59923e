"""The core's own plugin: its settings, its instruments, and the look-ups that are asked last.

It is found through the entry point ``core`` of ``corn.plugins``, like any other plugin.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from corn_core import hookimpl, loaders, logs
from corn_core.arbiter import settings as arbiter
from corn_core.builtin import spew
from corn_core.config import Config
from corn_core.extensions import drivers, manager
from corn_core.http import limits
from corn_core.net import listener, tls
from corn_core.process import daemon, pidfile, privileges, scoreboard, title
from corn_core.reloading import settings as reloading
from corn_core.serving import settings as serving
from corn_core.setting import Setting
from corn_core.settings import configfile, printing
from corn_core.worker import base as worker
from corn_core.wsgi import body, environ, files, proxied

AUTO = "auto"
"""The value of ``app_loader`` that leaves the choice to the plugins, and then means this one."""
DEFAULT_LOADER = "wsgi"


@hookimpl
def corn_settings() -> tuple[Setting, ...]:
    """Return the settings of all modules of the core, in the order of the reference."""
    return (
        *configfile.SETTINGS,
        *printing.SETTINGS,
        *manager.SETTINGS,
        *loaders.SETTINGS,
        *listener.SETTINGS,
        *arbiter.SETTINGS,
        *drivers.SETTINGS,
        *worker.SETTINGS,
        *serving.SETTINGS,
        *limits.SETTINGS,
        *environ.SETTINGS,
        *proxied.SETTINGS,
        *body.SETTINGS,
        *files.SETTINGS,
        *logs.SETTINGS,
        *title.SETTINGS,
        *tls.SETTINGS,
        *pidfile.SETTINGS,
        *scoreboard.SETTINGS,
        *privileges.SETTINGS,
        *daemon.SETTINGS,
        *spew.SETTINGS,
        *reloading.SETTINGS,
    )


@hookimpl
def corn_instruments(config: Config) -> Iterator[object]:
    """Add what the configuration turns on, so that it costs nothing elsewhere."""
    if config.spew:
        yield spew


@hookimpl(trylast=True)
def corn_worker_class(name: object) -> Any:
    return drivers.find_worker_class(name)


@hookimpl(trylast=True)
def corn_logger_class(name: object) -> Any:
    return drivers.find_logger_class(name)


@hookimpl(trylast=True)
def corn_app_loader(config: Config) -> Any:
    return drivers.find_app_loader(
        DEFAULT_LOADER if config.app_loader == AUTO else config.app_loader
    )
