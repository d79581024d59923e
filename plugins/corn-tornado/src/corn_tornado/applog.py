"""Forwards Tornado's log messages if the application has not set up logging itself."""

from __future__ import annotations

import logging

from corn_core.typing import Logger

_NAMES = ("tornado.application", "tornado.general")


class _Forward(logging.Handler):
    """Passes records on to the server's error log."""

    def __init__(self, log: Logger) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log.log(record.levelno, "%s", record.getMessage(), exc_info=record.exc_info)


def forward_to(log: Logger) -> None:
    """Send errors in handlers to the error log, unless the application sends them elsewhere."""
    if logging.getLogger("tornado").hasHandlers():
        return
    handler = _Forward(log)
    for name in _NAMES:
        logging.getLogger(name).addHandler(handler)
    # The server writes an access log line for every request. Without a handler, logging would
    # also print Tornado's access lines at level WARNING to standard error.
    logging.getLogger("tornado.access").addHandler(logging.NullHandler())
