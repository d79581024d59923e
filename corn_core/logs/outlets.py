"""The handlers that the settings ask for: files, standard streams, syslog."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from corn_core.errors import SettingError
from corn_core.logs.handlers import LineHandler, LogFile, LogStream, make_handler
from corn_core.logs.syslog import SyslogHandler, program_name

if TYPE_CHECKING:
    from corn_core.config import Config

OwnHandler = LogFile | LogStream | SyslogHandler


class Outlets:
    """The handlers of one configuration, opened and not yet in use.

    :param report: is told when messages to syslog begin to be lost.
    :raises SettingError: when a file cannot be appended to; nothing is left open then.
    """

    def __init__(self, config: Config, report: Callable[[str], object]) -> None:
        self.error: list[OwnHandler] = [open_line_handler(config, "errorlog", "stderr")]
        self.access: list[OwnHandler] = []
        try:
            if config.accesslog:
                self.access.append(open_line_handler(config, "accesslog", "stdout"))
        except SettingError:
            self.retire()
            raise
        if config.syslog:
            self.error.append(_syslog(config, "error", report))
            if not config.disable_redirect_access_to_syslog:
                self.access.append(_syslog(config, "access", report))

    def dress(
        self, error: logging.Formatter, access: logging.Formatter, syslog: logging.Formatter
    ) -> None:
        """Give the handlers their formatters."""
        for handler in (*self.error, *self.access):
            if isinstance(handler, SyslogHandler):
                handler.setFormatter(syslog)
            else:
                handler.setFormatter(error if handler in self.error else access)

    def retire(self) -> None:
        """Close everything for good."""
        for handler in (*self.error, *self.access):
            handler.retire()


def _syslog(config: Config, log: str, report: Callable[[str], object]) -> SyslogHandler:
    prefix = config.syslog_prefix or config.proc_name or config.default_proc_name
    program = program_name(prefix, log)
    return SyslogHandler(config.syslog_addr, config.syslog_facility, program, report)


def open_line_handler(config: Config, name: str, stream_name: str) -> LineHandler:
    """The handler for a setting whose value is a path or ``-``.

    :raises SettingError: when the file cannot be appended to.
    """
    try:
        return make_handler(getattr(config, name), stream_name)
    except OSError as error:
        raise refusal(config, name, f"a file to append to ({error.strerror})") from None


def refusal(config: Config, name: str, expected: str) -> SettingError:
    """The error about the value of a setting."""
    value = config.settings[name].shown(getattr(config, name))
    return SettingError(name, expected, value, str(config.origin(name)))


def exchange(log: logging.Logger, handlers: list[OwnHandler]) -> list[logging.Handler]:
    """Put our handlers into the place of earlier ones of ours, which are returned; leave those
    of others."""
    log.propagate = False
    old = [one for one in log.handlers if isinstance(one, OwnHandler)]
    for one in handlers:
        log.addHandler(one)
    for one in old:
        log.removeHandler(one)
    return list(old)


def close(handler: logging.Handler) -> None:
    """Close a handler that nothing uses any more."""
    if isinstance(handler, OwnHandler):
        handler.retire()
    else:
        handler.close()
