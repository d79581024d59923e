"""Stands for ``gunicorn.glogging``."""

from copy import deepcopy
from typing import Any, ClassVar

from corn_core.logs.access import SafeAtoms
from corn_core.logs.logconfig import DEFAULTS
from corn_core.plugin import SimpleLogger as _Logger
from corn_gunicorn.absent import absent


class Logger(_Logger):
    """corn's logger, with the formats that subclasses written for Gunicorn know."""

    datefmt: ClassVar[str] = "[%Y-%m-%d %H:%M:%S %z]"
    error_fmt: ClassVar[str] = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"


CONFIG_DEFAULTS: dict[str, Any] = {
    **deepcopy(dict(DEFAULTS)),
    "loggers": {
        "gunicorn.error": {
            "level": "INFO",
            "handlers": ["error_console"],
            "propagate": True,
            "qualname": "gunicorn.error",
        },
        "gunicorn.access": {
            "level": "INFO",
            "handlers": ["console"],
            "propagate": True,
            "qualname": "gunicorn.access",
        },
    },
}
"""The logging configuration that files extend in ``logconfig_dict``."""

__getattr__ = absent(
    __name__,
    {
        "SYSLOG_FACILITIES": "the setting syslog_facility takes their names",
        "parse_syslog_address": "the setting syslog_addr is parsed by corn",
    },
)

__all__ = ["CONFIG_DEFAULTS", "Logger", "SafeAtoms"]
