"""The logger class behind the name ``json``, and its formatter for use in other places."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from corn_core.plugin import CLIENT_ATOMS, SimpleLogger

if TYPE_CHECKING:
    from corn_core.typing import Config, Renderer, Request, Response

RESERVED = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
"""The attributes of every log record; all others come from ``extra`` in the logging call."""

# One encoder for all lines. Everything outside ASCII is escaped, so that a line is valid JSON in
# any encoding, and contains no character that would end it.
_encode = json.JSONEncoder(default=str, check_circular=False, separators=(", ", ": ")).encode


def timestamp(seconds: float) -> str:
    """Format a time as in RFC 3339, in UTC with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonFormatter(logging.Formatter):
    """Formats any log record as one JSON object; see the README for the fields.

    The arguments are those of ``logging.Formatter``, so that logging configurations can name
    this class; they have no effect.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "time": timestamp(record.created),
            "type": "log",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            fields["stack"] = record.stack_info
        extra = {name: value for name, value in vars(record).items() if name not in RESERVED}
        if extra:
            fields["extra"] = extra
        return _line(fields)


def _line(fields: dict[str, Any]) -> str:
    try:
        return _encode(fields)
    except (TypeError, ValueError, RecursionError):
        # Keys that JSON cannot represent, or a structure that contains itself. Losing the log line
        # would be worse than losing the structure of what was attached to it.
        return _encode({**fields, "extra": repr(fields.get("extra"))})


class JsonLogger(SimpleLogger):
    """The ``simple`` logger with JSON lines; files, handlers of plugins and reopening are the same.

    ``access_log_format`` has no effect.
    """

    def error_formatter(self) -> logging.Formatter:
        return JsonFormatter()

    def syslog_formatter(self) -> logging.Formatter:
        return _SyslogFormatter()

    def renderer(self, config: Config) -> Renderer:
        return render


class _SyslogFormatter(JsonFormatter):
    """Passes access lines through, which are JSON already; it is for both logs."""

    def format(self, record: logging.LogRecord) -> str:
        return record.getMessage() if record.name == "corn.access" else super().format(record)


_address, _user = CLIENT_ATOMS["h"], CLIENT_ATOMS["u"]
_referer, _user_agent = CLIENT_ATOMS["f"], CLIENT_ATOMS["a"]


def render(
    response: Response, request: Request | None, environ: Mapping[str, Any], elapsed: timedelta
) -> str:
    """Format an access line; what is not known about a request is null."""
    asked = (response, request, environ, elapsed)
    status = response.status.partition(" ")[0]
    return _encode(
        {
            "time": timestamp(time.time()),
            "type": "access",
            "pid": os.getpid(),
            "remote_addr": _address(*asked) or None,
            "user": _user(*asked) or None,
            "method": request.method if request else None,
            "uri": request.uri if request else None,
            "path": request.path if request else None,
            "query": request.query if request else None,
            "protocol": "HTTP/{}.{}".format(*request.version) if request else None,
            "status": int(status) if status.isdecimal() else None,
            "bytes": response.sent,
            "duration": elapsed.total_seconds(),
            "host": environ.get("HTTP_HOST"),
            "referer": _referer(*asked) or None,
            "user_agent": _user_agent(*asked) or None,
        }
    )
