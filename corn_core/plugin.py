"""The public names for plugins: hooks, settings, loggers, loaders and instruments.

Every server imports the light module of each installed plugin, and that module imports this one.
So nothing is imported here that an ordinary start does not need anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from corn_core import hookimpl
from corn_core.config import Origin
from corn_core.dates import http_date
from corn_core.errors import (
    AppLoadError,
    BadRequest,
    BindError,
    CommandError,
    ConfigError,
    CornError,
    ExtensionError,
    SettingError,
    WorkerQuit,
    did_you_mean,
    one_line,
)
from corn_core.escape import escape
from corn_core.facade import on_demand
from corn_core.findings import Finding, Level
from corn_core.frames import application_traceback, in_application
from corn_core.framework import Framework
from corn_core.interfaces import Command
from corn_core.loaders.guard import run_guarded
from corn_core.loaders.wsgi import WsgiLoader, load_app
from corn_core.logs.atoms import CLIENT_ATOMS
from corn_core.logs.formatters import WSGI_ERRORS
from corn_core.logs.logger import Logger as SimpleLogger
from corn_core.logs.settings import LEVELS as LOG_LEVELS
from corn_core.logs.settings import IniFile
from corn_core.net.address import (
    AbstractAddress,
    FdAddress,
    TcpAddress,
    UnixAddress,
    parse_address,
    parse_listener,
)
from corn_core.net.listener import Listener, open_listener
from corn_core.process.scoreboard import CAPACITY as MAX_WORKERS
from corn_core.process.scoreboard import STATE_NAMES as WORKER_STATES
from corn_core.setting import (
    Expected,
    Parser,
    Setting,
    boolean,
    comma_separated,
    integer,
    name_or_object,
    one_of,
    optional,
    seconds,
    string,
    strings,
)
from corn_core.settings.printing import described as described_config

if TYPE_CHECKING:
    from corn_core.reloading.files import is_library
    from corn_core.reloading.reloader import PERIOD as RELOAD_PERIOD
else:
    __getattr__ = on_demand(
        __name__,
        late={
            "RELOAD_PERIOD": "corn_core.reloading.reloader:PERIOD",
            "is_library": "corn_core.reloading.files:is_library",
        },
        deprecated={},
    )

__all__ = [
    "CLIENT_ATOMS",
    "LOG_LEVELS",
    "MAX_WORKERS",
    "RELOAD_PERIOD",
    "WORKER_STATES",
    "WSGI_ERRORS",
    "AbstractAddress",
    "AppLoadError",
    "BadRequest",
    "BindError",
    "Command",
    "CommandError",
    "ConfigError",
    "CornError",
    "Expected",
    "ExtensionError",
    "FdAddress",
    "Finding",
    "Framework",
    "IniFile",
    "Level",
    "Listener",
    "Origin",
    "Parser",
    "Setting",
    "SettingError",
    "SimpleLogger",
    "TcpAddress",
    "UnixAddress",
    "WorkerQuit",
    "WsgiLoader",
    "application_traceback",
    "boolean",
    "comma_separated",
    "described_config",
    "did_you_mean",
    "escape",
    "hookimpl",
    "http_date",
    "in_application",
    "integer",
    "is_library",
    "load_app",
    "name_or_object",
    "one_line",
    "one_of",
    "open_listener",
    "optional",
    "parse_address",
    "parse_listener",
    "run_guarded",
    "seconds",
    "string",
    "strings",
]
