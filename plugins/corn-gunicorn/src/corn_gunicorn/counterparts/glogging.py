"""Stands for ``gunicorn.glogging``."""

import logging
from copy import deepcopy
from typing import Any, ClassVar, TextIO

from corn_core.logs.access import SafeAtoms
from corn_core.logs.logconfig import DEFAULTS
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
        for name in ("corn.error", "corn.access"):
            logging.getLogger(name).propagate = False
        super().__init__(cfg)

    def _get_gunicorn_handler(self, log: logging.Logger) -> logging.Handler | None:
        """Return the handler that writes a log to its file or stream."""
        return next((each for each in log.handlers if _writes(each)), None)

    def _set_handler(
        self,
        log: logging.Logger,
        output: str | None,
        fmt: logging.Formatter,
        stream: TextIO | None = None,
    ) -> None:
        """Write a log in another format, or to another place."""
        configured = self.cfg.accesslog if log is self.access_log else self.cfg.errorlog
        found: logging.Handler | None = None
        for each in filter(_writes, log.handlers[:]):
            if output == configured and not hasattr(each, _ADDED):
                found = each
            else:
                log.removeHandler(each)
                each.close()
        if output is None:
            return
        if found is None:
            to_stream = output == "-"
            found = logging.StreamHandler(stream) if to_stream else logging.FileHandler(output)
            setattr(found, _ADDED, True)
            log.addHandler(found)
        found.setFormatter(fmt)


_ADDED = "_gunicorn"


def _writes(handler: logging.Handler) -> bool:
    """Tell the handlers of files and streams from those of syslog and of others."""
    return hasattr(handler, "write_line") or hasattr(handler, _ADDED)


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
