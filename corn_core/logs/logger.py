"""The Logger class behind the name ``simple``, and the settings of logging."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from corn_core.errors import SettingError
from corn_core.interfaces import Request, Response
from corn_core.logs.access import Renderer, SafeAtoms, compile_format, parse_access_format
from corn_core.logs.atoms import all_atoms
from corn_core.logs.handlers import LineHandler, LogFile, LogStream, make_handler
from corn_core.settings.model import Expected, Setting, one_of, optional

if TYPE_CHECKING:
    from corn_core.settings.config import Config

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


def _target(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip() or "\0" in raw:
        raise Expected("the path of a file, or - for a standard stream")
    return raw.strip()


SETTINGS = (
    Setting(
        name="accesslog",
        section="Logging",
        parse=optional(_target),
        default=None,
        help=(
            "The file to which a line for every request is appended, - for standard output."
            " Without it there is no access log."
        ),
        flags=("--access-logfile",),
        metavar="FILE",
    ),
    Setting(
        name="access_log_format",
        section="Logging",
        parse=parse_access_format,
        default='%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"',
        help=(
            "The format of a line of the access log. Its atoms: h remote address, l a dash, u"
            " user name of Basic authentication, t time of the response, r request line, m"
            " method, U path without query, q query, H protocol, s status, B length of the"
            " body, b the same with a dash for 0, f referer, a user agent, T whole seconds"
            " taken, M milliseconds, D microseconds, L decimal seconds, p process id in angle"
            " brackets, {name}i request field, {name}o response field, {name}e variable of the"
            " WSGI environ; %% is a percent sign. What is not there is a dash. Quotation marks,"
            " backslashes and everything but printable ASCII in a value are escaped."
        ),
        flags=("--access-logformat",),
        metavar="FORMAT",
    ),
    Setting(
        name="errorlog",
        section="Logging",
        parse=_target,
        default="-",
        help="The file to which the server's messages are appended, - for standard error.",
        flags=("--error-logfile", "--log-file"),
        metavar="FILE",
    ),
    Setting(
        name="loglevel",
        section="Logging",
        parse=one_of(*LEVELS),
        default="info",
        help="The least severe messages that the error log takes.",
        flags=("--log-level",),
        metavar="LEVEL",
        choices=tuple(LEVELS),
    ),
)


class Logger:
    """Error and access log, on the standard library's loggers ``corn.error`` and ``corn.access``.

    A subclass may override :meth:`setup`, :meth:`access` or :meth:`atoms`, and the
    formats. Handlers that others add to the two loggers get everything too.

    :param config: has the settings above.
    :raises SettingError: when a file cannot be appended to, or the format names no atom.
    """

    datefmt: ClassVar[str] = "%Y-%m-%d %H:%M:%S %z"
    error_fmt: ClassVar[str] = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
    access_fmt: ClassVar[str] = "%(message)s"

    access_enabled: bool

    def __init__(self, config: Config) -> None:
        self.error_log = logging.getLogger("corn.error")
        self.access_log = logging.getLogger("corn.access")
        self.cfg = config
        self._render: Renderer
        self._access_failing = False
        self.setup(config)

    def setup(self, config: Config) -> None:
        """Open the files of a configuration and write to them from now on.

        It may be called again, by this object or another one: the loggers belong to the
        process, and the last configuration counts. When it raises, the logs go on as before.
        """
        render = self._compile(config)
        error_handler = _open(config, "errorlog", "stderr")
        try:
            access_handler = config.accesslog and _open(config, "accesslog", "stdout")
        except SettingError:
            error_handler.close()
            raise
        self.cfg = config
        self._render = render
        error_handler.setFormatter(logging.Formatter(self.error_fmt, self.datefmt))
        _replace_handlers(self.error_log, error_handler)
        self.error_log.setLevel(LEVELS[config.loglevel])
        if access_handler:
            access_handler.setFormatter(logging.Formatter(self.access_fmt, self.datefmt))
        _replace_handlers(self.access_log, access_handler or None)
        self.access_log.setLevel(logging.INFO)
        self.access_enabled = bool(access_handler)

    def _compile(self, config: Config) -> Renderer:
        format_text: str = config.access_log_format
        if type(self).atoms is not Logger.atoms:
            # A subclass with atoms of its own: only it knows them, so they are all made.
            return lambda *request: format_text % SafeAtoms(self.atoms(*request))
        try:
            return compile_format(format_text)
        except Expected as problem:
            raise _refusal(config, "access_log_format", str(problem)) from None

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

    def close_on_exec(self) -> None:
        """Keep log files, the application's too, from programs that the process starts."""
        for handler in file_handlers():
            if handler.stream is not None:
                os.set_inheritable(handler.stream.fileno(), False)


def _refusal(config: Config, name: str, expected: str) -> SettingError:
    return SettingError(name, expected, getattr(config, name), str(config.origin(name)))


def _open(config: Config, name: str, stream_name: str) -> LineHandler:
    try:
        return make_handler(getattr(config, name), stream_name)
    except OSError as error:
        raise _refusal(config, name, f"a file to append to ({error.strerror})") from None


def _replace_handlers(log: logging.Logger, handler: LineHandler | None) -> None:
    """Put our handler into the place of an earlier one of ours; leave those of others."""
    log.propagate = False
    old = [one for one in log.handlers if isinstance(one, LogFile | LogStream)]
    if handler is not None:
        log.addHandler(handler)
    for one in old:
        log.removeHandler(one)
        one.close()


def file_handlers() -> Iterator[logging.FileHandler]:
    """Every file handler of every logger of the process, each once."""
    seen = set()
    for log in (logging.getLogger(), *logging.getLogger().manager.loggerDict.values()):
        # loggerDict also has placeholders, for parents that nobody has asked for.
        for handler in log.handlers if isinstance(log, logging.Logger) else ():
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
