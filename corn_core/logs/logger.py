"""The Logger class behind the name ``simple``."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from corn_core.interfaces import Request, Response
from corn_core.logs import capture
from corn_core.logs.access import Renderer, SafeAtoms, compile_format
from corn_core.logs.aliases import adopt_names
from corn_core.logs.atoms import all_atoms
from corn_core.logs.handlers import LineHandler, LogFile
from corn_core.logs.logconfig import Plan, read_plan
from corn_core.logs.outlets import Outlets, close, exchange, refusal
from corn_core.logs.settings import LEVELS
from corn_core.logs.states import all_loggers, replace_configuration
from corn_core.setting import Expected

if TYPE_CHECKING:
    from corn_core.config import Config

ERROR_LOG = "corn.error"
ACCESS_LOG = "corn.access"

WSGI_ERRORS = "wsgi.errors"
"""The name in the records of the error log that applications have written, and not the server."""


class ErrorFormatter(logging.Formatter):
    """Formats messages of the server, and leaves text as it is that applications have written."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage() if record.name == WSGI_ERRORS else super().format(record)


def enable_loggers() -> None:
    """Undo what ``disable_existing_loggers`` does to the server's own loggers.

    It is meant for those of the application, and True for whoever leaves it out.
    """
    for name in (ERROR_LOG, ACCESS_LOG):
        logging.getLogger(name).disabled = False


class Logger:
    """Error and access log, on the standard library's loggers ``corn.error`` and ``corn.access``.

    A subclass may override :meth:`setup`, :meth:`access` or :meth:`atoms`, the formats, the
    formatters and :meth:`renderer`. Handlers that others add to the two loggers get everything too.

    :param config: has the settings above.
    :raises SettingError: when a file cannot be appended to, or the format names no atom.
    """

    datefmt: ClassVar[str] = "%Y-%m-%d %H:%M:%S %z"
    error_fmt: ClassVar[str] = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
    access_fmt: ClassVar[str] = "%(message)s"

    syslog_fmt: ClassVar[str] = "[%(process)d] %(message)s"

    access_enabled: bool

    def __init__(self, config: Config) -> None:
        adopt_names()
        self.error_log = logging.getLogger(ERROR_LOG)
        self.access_log = logging.getLogger(ACCESS_LOG)
        self.cfg = config
        self._render: Renderer
        self._access_failing = False
        self._plan: tuple[Config, Plan | None] | None = None
        self._captured = ""
        self.setup(config)

    def setup(self, config: Config) -> None:
        """Open the files of a configuration and write to them from now on.

        It may be called again, by this object or another one: the loggers belong to the
        process, and the last configuration counts. When it raises, the logs go on as before.
        """
        render = self.renderer(config)
        plan = self._read_plan(config)
        outlets = Outlets(config, self.warning)
        outlets.dress(self.error_formatter(), self.access_formatter(), self.syslog_formatter())

        def prepare() -> list[logging.Handler]:
            self.error_log.setLevel(LEVELS[config.loglevel])
            self.access_log.setLevel(logging.INFO)
            old = exchange(self.error_log, outlets.error)
            return old + exchange(self.access_log, outlets.access)

        try:
            dropped = replace_configuration(plan, prepare)
        except BaseException:
            outlets.retire()
            raise
        enable_loggers()
        self.cfg = config
        self._plan = (config, plan)
        self._render = render
        # A logging configuration that names a logger takes its handlers away, ours too.
        in_use = (*self.error_log.handlers, *self.access_log.handlers)
        for one in (*dropped, *outlets.error, *outlets.access):
            if one not in in_use:
                close(one)
        self.access_enabled = (
            self.access_log.isEnabledFor(logging.INFO) and self.access_log.hasHandlers()
        )
        self._capture(config)

    def _read_plan(self, config: Config) -> Plan | None:
        """The logging configuration; when an earlier one is to be returned to, as it was then,
        whatever its file says by now."""
        if self._plan is not None and self._plan[0] is config:
            return self._plan[1]
        return read_plan(config)

    def _capture(self, config: Config) -> None:
        # The path is absolute, for reopen_files() may be called in another directory.
        wanted = config.capture_output and config.errorlog != "-"
        self._captured = os.path.abspath(config.errorlog) if wanted else ""
        if self._captured:
            self._capture_again()
        else:
            capture.release_output()

    def _capture_again(self) -> None:
        try:
            capture.capture_output(self._captured)
        except OSError as error:
            self.error("Cannot capture output in %s: %s", self._captured, error.strerror)

    # -- what a subclass may override ------------------------------------------------

    def renderer(self, config: Config) -> Renderer:
        """The function that makes the text of an access line.

        :raises ConfigError: when the configuration gives no usable format.
        """
        format_text: str = config.access_log_format
        if type(self).atoms is not Logger.atoms:
            # A subclass with atoms of its own: only it knows them, so they are all made.
            return lambda *request: format_text % SafeAtoms(self.atoms(*request))
        try:
            return compile_format(format_text)
        except Expected as problem:
            raise refusal(config, "access_log_format", str(problem)) from None

    def error_formatter(self) -> logging.Formatter:
        return ErrorFormatter(self.error_fmt, self.datefmt)

    def access_formatter(self) -> logging.Formatter:
        return logging.Formatter(self.access_fmt, self.datefmt)

    def syslog_formatter(self) -> logging.Formatter:
        """For both logs; the daemon puts time and host in front, and the handler the program."""
        return logging.Formatter(self.syslog_fmt, self.datefmt)

    # -- the error log ---------------------------------------------------------------

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.debug(msg, *args, **kwargs)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.info(msg, *args, **kwargs)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.warning(msg, *args, **kwargs)

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.error(msg, *args, **kwargs)

    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.critical(msg, *args, **kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self.error_log.exception(msg, *args, **kwargs)

    def log(self, lvl: Any, msg: str, *args: Any, **kwargs: Any) -> None:
        """Log at a level, given by number or by name."""
        self.error_log.log(
            LEVELS[lvl.lower()] if isinstance(lvl, str) else lvl, msg, *args, **kwargs
        )

    def wsgi_errors(self, text: str) -> None:
        """Write what an application has written to ``wsgi.errors``, as one record.

        Its level is that of an error, though nobody knows: what a handler lets through, it lets
        this through as well, and so does the error log whatever ``loglevel`` is.
        """
        log = self.error_log
        message = text.removesuffix("\n")
        log.handle(log.makeRecord(WSGI_ERRORS, logging.ERROR, "", 0, message, (), None))

    # -- the access log --------------------------------------------------------------

    def access(
        self,
        resp: Response,
        req: Request | None,
        environ: Mapping[str, Any],
        request_time: timedelta,
    ) -> None:
        if not self.access_enabled:
            return
        line = self._render(resp, req, environ, request_time)
        handler = self._only_handler()
        if handler is None:
            self.access_log.info(line)
            return
        try:
            handler.write_line(line)
            self._access_failing = False
        except (OSError, ValueError) as error:  # ValueError: sys.stdout has been closed
            # A full disk is no reason to fail the request, nor to say so for each of them.
            if not self._access_failing:
                self.error("Cannot write the access log: %s", error)
            self._access_failing = True

    def _only_handler(self) -> LineHandler | None:
        """Our own handler, if nobody else has a say about access lines.

        Writing to it directly does without a log record, which costs twice what the line does.
        """
        log = self.access_log
        if len(log.handlers) != 1 or log.filters or log.propagate or log.disabled:
            return None
        handler = log.handlers[0]
        if not isinstance(handler, LineHandler) or handler.filters:
            return None
        return handler if self.access_fmt == "%(message)s" else None

    def atoms(
        self,
        resp: Response,
        req: Request | None,
        environ: Mapping[str, Any],
        request_time: timedelta,
    ) -> dict[str, Any]:
        """Every atom of the access log by name, for subclasses that add or change some."""
        return all_atoms(resp, req, environ, request_time)

    # -- the files -------------------------------------------------------------------

    def reopen_files(self) -> None:
        """Open all log files anew, the application's too, after they were rotated."""
        for handler in file_handlers():
            try:
                _reopen(handler)
            except OSError as error:
                self.error("Cannot reopen %s: %s", handler.baseFilename, error.strerror)
        if self._captured:
            self._capture_again()

    def close_on_exec(self) -> None:
        """Keep log files, the application's too, from programs that the process starts."""
        for handler in file_handlers():
            if handler.stream is not None:
                os.set_inheritable(handler.stream.fileno(), False)


def file_handlers() -> Iterator[logging.FileHandler]:
    """Every file handler of every logger of the process, each once."""
    seen = set()
    for log in all_loggers():
        for handler in log.handlers:
            if isinstance(handler, logging.FileHandler) and handler not in seen:
                seen.add(handler)
                yield handler


def _reopen(handler: logging.FileHandler) -> None:
    if isinstance(handler, LogFile):
        handler.reopen()
        return
    handler.acquire()
    try:
        if handler.stream is not None:
            # The new one first: if it cannot be opened, the old one goes on.
            old, handler.stream = handler.stream, handler._open()
            old.close()
    finally:
        handler.release()
