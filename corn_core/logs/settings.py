"""The settings of logging."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from corn_core.logs.access import parse_access_format
from corn_core.setting import Expected, Setting, boolean, one_of, optional

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
"""The levels of the error log, by the names that ``loglevel`` takes."""


def _target(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip() or "\0" in raw:
        raise Expected("the path of a file, or - for a standard stream")
    return raw.strip()


class IniFile(str):
    """The path of an ini file, for ``logconfig``, with variables that may be used in it.

    :ivar variables: values by name, beside ``here`` and ``__file__``.
    """

    variables: Mapping[str, str]

    def __new__(cls, path: str, variables: Mapping[str, str]) -> IniFile:
        made = super().__new__(cls, path)
        made.variables = variables
        return made


def _ini_file(raw: object) -> str:
    return raw if isinstance(raw, IniFile) else _target(raw)


def _dictionary(raw: object) -> dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, Mapping):
        raise Expected("a dictionary as logging.config.dictConfig takes it")
    return dict(raw)


SETTINGS = (
    Setting(
        name="accesslog",
        section="Logging",
        parse=optional(_target),
        default=None,
        help=(
            "The file to which a line is appended for each request; - is standard output."
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
            " WSGI environ; %% is a percent sign. A missing value is shown as a dash. Quotation"
            " marks, backslashes and everything but printable ASCII in a value are escaped."
        ),
        flags=("--access-logformat",),
        metavar="FORMAT",
    ),
    Setting(
        name="errorlog",
        section="Logging",
        parse=_target,
        default="-",
        help="The file to which the server's messages are appended; - is standard error.",
        flags=("--error-logfile", "--log-file"),
        metavar="FILE",
    ),
    Setting(
        name="loglevel",
        section="Logging",
        parse=one_of(*LEVELS),
        default="info",
        help="The lowest level of messages that are written to the error log.",
        flags=("--log-level",),
        metavar="LEVEL",
        choices=tuple(LEVELS),
    ),
    Setting(
        name="capture_output",
        section="Logging",
        parse=boolean,
        default=False,
        help=(
            "Write what the application prints, to standard output and standard error, into the"
            " error log. The errorlog must be a file. An accesslog of - goes there too, because"
            " that is standard output."
        ),
        flags=("--capture-output",),
        action="store_true",
    ),
    Setting(
        name="logconfig",
        section="Logging",
        parse=optional(_ini_file),
        default=None,
        help=(
            "A logging configuration in the ini format of Python's logging.config.fileConfig."
            " In it, %(here)s is the directory of the file and %(__file__)s its path. Loggers"
            " that it does not name keep their settings; corn.error and corn.access are the"
            " server's, and gunicorn.error and gunicorn.access are other names for them."
        ),
        flags=("--log-config",),
        metavar="FILE",
    ),
    Setting(
        name="logconfig_dict",
        section="Logging",
        parse=_dictionary,
        default={},
        help=(
            "A logging configuration as a dictionary, for logging.config.dictConfig. It takes"
            " precedence over logconfig_json and logconfig. Missing entries have a default:"
            " version 1, disable_existing_loggers False, the formatter generic, the handlers"
            " console and error_console, and a root logger that uses console."
        ),
        places=("file",),
    ),
    Setting(
        name="logconfig_json",
        section="Logging",
        parse=optional(_target),
        default=None,
        help=(
            "A JSON file with a logging configuration, an object like logconfig_dict. It takes"
            " precedence over logconfig."
        ),
        flags=("--log-config-json",),
        metavar="FILE",
    ),
)
