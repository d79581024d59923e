"""The Logger class behind the name ``simple``."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from corn_core.config import Config
from corn_core.interfaces import Request, Response
from corn_core.logs import capture
from corn_core.logs.access import AccessArguments, Renderer, SafeAtoms, compile_format
from corn_core.logs.atoms import all_atoms
from corn_core.logs.formatters import ERROR_FORMAT, WSGI_ERRORS, ErrorFormatter, fitting
from corn_core.logs.handlers import (
    LineHandler,
    Outlets,
    close,
    exchange,
    file_handlers,
    refusal,
    reopen,
)
from corn_core.logs.logconfig import Plan, put_into_force, read_plan, take_back
from corn_core.logs.settings import LEVELS
from corn_core.setting import Expected

ERROR_LOG = "corn.error"
ACCESS_LOG = "corn.access"

ALIASES = {"gunicorn": "corn", "gunicorn.error": ERROR_LOG, "gunicorn.access": ACCESS_LOG}
"""The names of Gunicorn's loggers, each with the logger of ours that it stands for."""


def adopt_names() -> None:
    """Make the names of :data:`ALIASES` mean our loggers, in configurations and applications.

    A logger then has two names. Whatever is done under one of them (a level, a handler, a filter,
    a look at its handlers) holds under the other. Its records are named ``corn``.
    """
    known = logging.Logger.manager.loggerDict
    for name, ours in ALIASES.items():
        logger = logging.getLogger(ours)
        before = known.get(name)
        if before is logger:
            continue
        known[name] = logger
        if isinstance(before, logging.Logger):
            _take_over(before, logger)


def _take_over(before: logging.Logger, logger: logging.Logger) -> None:
    """Take over from a logger that a config file, for example, has already got hold of."""
    for handler in before.handlers[:]:
        before.removeHandler(handler)
        logger.addHandler(handler)
    for one in before.filters[:]:
        logger.addFilter(one)
    # What is still logged to it goes where our records go.
    before.parent, before.propagate = logger, True


def enable_loggers() -> None:
    """Undo what ``disable_existing_loggers`` does to the server's own loggers.

    It is meant for the application's loggers, and its default is True.
    """
    for name in (ERROR_LOG, ACCESS_LOG):
        logging.getLogger(name).disabled = False


class Logger:
    """Writes the error and access log, by the loggers ``corn.error`` and ``corn.access``.

    These are loggers of the standard library; handlers that others add to them get everything too.
    A subclass may override :meth:`setup`, :meth:`access` or :meth:`atoms`, the formats, the
    formatters and :meth:`renderer`.

    :raises CornError: when a file cannot be appended to, the format names an atom that does not
        exist, or the logging configuration cannot be applied.
    """

    datefmt: ClassVar[str] = "%Y-%m-%d %H:%M:%S %z"
    error_fmt: ClassVar[str] = ERROR_FORMAT
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
        self._direct: LineHandler | None = None
        self._plain: logging.Formatter | None = None
        self._plan: tuple[Config, Plan | None] | None = None
        self._captured = ""
        self.setup(config)

    def setup(self, config: Config) -> None:
        """Open the log files of a configuration, and write to them from now on.

        It may be called again, on this object or another: the loggers belong to the process, and
        the last configuration counts. When it raises, the logs go on as before.
        """
        # These steps may fail, and change nothing.
        render = self.renderer(config)
        plan = self._read_plan(config)
        error = fitting(self.error_formatter(), config.errorlog)
        outlets = Outlets(config, error, self.access_formatter(), self.syslog_formatter())
        # These should not fail any more.
        dropped = take_back()
        self.error_log.setLevel(LEVELS[config.loglevel])
        self.access_log.setLevel(logging.INFO)
        dropped += exchange(self.error_log, outlets.error)
        dropped += exchange(self.access_log, outlets.access)
        if plan is not None:
            put_into_force(plan)
        enable_loggers()
        self.cfg = config
        self._plan = (config, plan)
        self._render = render
        # A logging configuration that names one of our loggers takes its handlers away.
        in_use = (*self.error_log.handlers, *self.access_log.handlers)
        for one in {*dropped, *outlets.error, *outlets.access}.difference(in_use):
            close(one)
        self.access_enabled = (
            self.access_log.isEnabledFor(logging.INFO) and self.access_log.hasHandlers()
        )
        self._find_direct_handler()
        # The path is absolute because reopen_files() may be called in another directory.
        captures = config.capture_output and config.errorlog != "-"
        self._captured = os.path.abspath(config.errorlog) if captures else ""
        if self._captured:
            self._capture()
        else:
            capture.release_output()

    def _find_direct_handler(self) -> None:
        """Find our own handler of the access log, if it writes nothing but the line.

        As long as it is the only thing that sees access lines, they are written to it directly: a
        log record would cost several times what the line does.
        """
        self._direct = self._plain = None
        for handler in self.access_log.handlers:
            form = handler.formatter
            plain = type(form) is logging.Formatter and form._fmt == "%(message)s"
            if plain and isinstance(handler, LineHandler):
                self._direct, self._plain = handler, form

    def _read_plan(self, config: Config) -> Plan | None:
        """Return the logging configuration, of an earlier ``config`` as it was read then."""
        if self._plan is not None and self._plan[0] is config:
            return self._plan[1]
        return read_plan(config)

    def _capture(self) -> None:
        try:
            capture.capture_output(self._captured)
        except OSError as error:
            self.error("Cannot capture output in %s: %s", self._captured, error.strerror)

    # -- what a subclass may override ------------------------------------------------

    def renderer(self, config: Config) -> Renderer:
        """Return a function that makes the text of an access line.

        :raises ConfigError: when the configured format cannot be used.
        """
        format_text: str = config.access_log_format
        if type(self).atoms is not Logger.atoms:
            # A subclass with atoms of its own: only it knows them, so all of them are made.
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
        """Return the formatter for handlers that plugins add to either log, such as syslog's.

        What they send to puts time and host in front, and they put the program's name.
        """
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
        """Log what an application has written to ``wsgi.errors``, as one record.

        Its level is ERROR because the real one is unknown, and handlers should let it through.
        The error log takes it whatever ``loglevel`` is.
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
        handler, log = self._direct, self.access_log
        # Looked at each time, because the application may change it.
        if (
            handler is None
            or log.handlers != [handler]
            or handler.formatter is not self._plain
            or handler.filters
            or log.filters
            or log.propagate
            or log.disabled
        ):
            atoms = partial(self.atoms, resp, req, environ, request_time)
            arguments = AccessArguments(line, atoms)
            self.access_log.info("%(line)s", arguments)
            arguments.release()
            return
        try:
            handler.write_line(line)
            self._access_failing = False
        except (OSError, ValueError) as error:  # ValueError: sys.stdout has been closed
            # A full disk must not fail the request, nor be reported for each of them.
            if not self._access_failing:
                self.error("Cannot write the access log: %s", error)
            self._access_failing = True

    def atoms(
        self,
        resp: Response,
        req: Request | None,
        environ: Mapping[str, Any],
        request_time: timedelta,
    ) -> dict[str, Any]:
        """Return every atom of the access log by name, for subclasses that add or change some."""
        return all_atoms(resp, req, environ, request_time)

    # -- the files -------------------------------------------------------------------

    def reopen_files(self) -> None:
        """Reopen all log files, including the application's, after they were rotated."""
        for handler in file_handlers():
            try:
                reopen(handler)
            except OSError as error:
                self.error("Cannot reopen %s: %s", handler.baseFilename, error.strerror)
        if self._captured:
            self._capture()

    def close_on_exec(self) -> None:
        """Keep log files, the application's too, from being inherited by programs."""
        for handler in file_handlers():
            if handler.stream is not None:
                os.set_inheritable(handler.stream.fileno(), False)
