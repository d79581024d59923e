"""The formatters of the error log: one for files, and one for a person at a terminal."""

from __future__ import annotations

import logging
import os
import sys

from corn_core.terminal import BOLD, CYAN, DIM, RED, YELLOW, Style, style

WSGI_ERRORS = "wsgi.errors"
"""The logger name of the error log's records that come from applications, not the server."""

ERROR_FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
"""The format of the error log, unless a logger class has another."""

_LEVELS = {
    logging.DEBUG: (DIM,),
    logging.WARNING: (YELLOW,),
    logging.ERROR: (RED,),
    logging.CRITICAL: (BOLD, RED),
}


class Addresses(str):
    """The addresses that the server listens on, separated by commas, as an argument of a message.

    At a terminal each has a line of its own, where it can be clicked.
    """


class ErrorFormatter(logging.Formatter):
    """Formats messages of the server, but not text that applications have written."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage() if record.name == WSGI_ERRORS else super().format(record)


class TerminalFormatter(ErrorFormatter):
    """Formats short lines: without the date and the process, and with a level if it is unusual."""

    def __init__(self, look: Style) -> None:
        super().__init__("%(asctime)s %(message)s", "%H:%M:%S")
        self._look = look

    def formatMessage(self, record: logging.LogRecord) -> str:
        paint = self._look.paint
        time, text = paint(record.asctime, DIM), record.message
        if record.levelno != logging.INFO:
            level = paint(f"{record.levelname.lower()}:", *_LEVELS.get(record.levelno, ()))
            return f"{time} {level} {text}"
        arguments = record.args if isinstance(record.args, tuple) else ()
        indent = " " * (len(record.asctime) + 1)
        for each in arguments:
            if isinstance(each, Addresses):
                urls = [f"{indent}{paint(url, BOLD, CYAN)}" for url in each.split(",")]
                return "\n".join([f"{time} Listening at:", *urls, f"{indent}Press Ctrl-C to stop"])
        return f"{time} {text}"


def fitting(formatter: logging.Formatter, target: str) -> logging.Formatter:
    """Return the formatter for a terminal, if the error log goes to one in the default format.

    :param formatter: what the logger class chose; one with a format of its own stays.
    :param target: the setting ``errorlog``.
    """
    if target != "-" or type(formatter) is not ErrorFormatter or formatter._fmt != ERROR_FORMAT:
        return formatter
    look = style(sys.stderr, os.environ)
    return formatter if look is None else TerminalFormatter(look)
