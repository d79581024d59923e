"""Stands for ``gunicorn.glogging``."""

import logging
import sys
from copy import deepcopy
from typing import Any, ClassVar, TextIO

from corn_core.logs.access import SafeAtoms
from corn_core.logs.handlers import LogFile, LogStream, close
from corn_core.logs.logconfig import DEFAULTS
from corn_core.logs.logger import ACCESS_LOG, ERROR_LOG
from corn_core.plugin import SimpleLogger as _Logger
from corn_core.typing import Config
from corn_gunicorn.absent import absent


class Logger(_Logger):
    """corn's logger, with the formats and methods that subclasses written for Gunicorn know."""

    datefmt: ClassVar[str] = "[%Y-%m-%d %H:%M:%S %z]"
    error_fmt: ClassVar[str] = "%(asctime)s [%(process)d] [%(levelname)s] %(message)s"

    def __init__(self, cfg: Config) -> None:
        # What setup() does too; a subclass may have one that does not call it, and leaves the
        # handlers to the application.
        self.access_enabled = True
        self._render = self.renderer(cfg)
        for name in (ERROR_LOG, ACCESS_LOG):
            logging.getLogger(name).propagate = False
        super().__init__(cfg)

    def _get_gunicorn_handler(self, log: logging.Logger) -> logging.Handler | None:
        """Return the handler that writes a log to its file or stream."""
        return next((each for each in log.handlers if isinstance(each, LogFile | LogStream)), None)

    def _set_handler(
        self,
        log: logging.Logger,
        output: str | None,
        fmt: logging.Formatter,
        stream: TextIO | None = None,
    ) -> None:
        """Write a log to another place, in another format."""
        before = self._get_gunicorn_handler(log)
        if before is not None:
            log.removeHandler(before)
            close(before)
        if output is None:
            return
        standard = "stdout" if stream is sys.stdout else "stderr"
        handler = LogStream(standard) if output == "-" else LogFile(output)
        handler.setFormatter(fmt)
        log.addHandler(handler)


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
