"""Counts what is written to the error log, whatever the logger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from corn_core.plugin import WSGI_ERRORS
from corn_core.typing import Logger
from corn_statsd.client import StatsdClient
from corn_statsd.metrics import metric_in

Client = Callable[[], StatsdClient | None]
"""Returns this process's client, or None when nothing is measured."""

_BY_LEVEL = (
    (logging.CRITICAL, "corn.log.critical"),
    (logging.ERROR, "corn.log.error"),
    (logging.WARNING, "corn.log.warning"),
)

_METHODS = ("warning", "error", "critical", "exception", "log")

# True during a counted call of a foreign logger, whose ``exception`` may well call its ``error``.
# There is one such variable per thread, and per greenlet.
_counting: ContextVar[bool] = ContextVar("corn_statsd_counting", default=False)


def counter(level: int, exception: bool) -> str | None:
    """Name the counter of a message; one with a traceback is an exception, not an error."""
    name = next((name for least, name in _BY_LEVEL if level >= least), None)
    return "corn.log.exception" if exception and name == "corn.log.error" else name


class LogMeter(logging.Handler):
    """Counts the records of the error log, and sends the metrics that are in them."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == WSGI_ERRORS:
            # Text that applications write there is not a log message, and has no level.
            return
        client = self._client()
        if client is None:
            return
        name = counter(record.levelno, bool(record.exc_info))
        if name is not None:
            client.incr(name)
        if hasattr(record, "mtype"):
            try:
                metric = metric_in(vars(record))
            except ValueError:
                # This prints the problem and the place of the call on standard error.
                self.handleError(record)
            else:
                if metric is not None:
                    metric.send(client)


def attach(meter: LogMeter, client: Client, log: Logger) -> bool:
    """Count what a logger writes from now on; returns False if that is impossible.

    The core's loggers and their subclasses write to a logger of the standard library, and so do
    applications; a handler there sees everything. For any other logger, its method calls are
    counted.
    """
    error_log = getattr(log, "error_log", None)
    if isinstance(error_log, logging.Logger):
        error_log.addHandler(meter)  # does nothing if it has been added already
        return True
    try:
        for name in _METHODS:
            setattr(log, name, _counted(getattr(log, name), name, client))
    except AttributeError:
        return False
    return True


def detach(meter: LogMeter, log: Logger) -> None:
    error_log = getattr(log, "error_log", None)
    if isinstance(error_log, logging.Logger):
        error_log.removeHandler(meter)


def _counted(call: Callable[..., Any], method: str, client: Client) -> Callable[..., Any]:
    """Wrap a logger's method so that it is counted, unless another counted one calls it."""

    def counted(*args: Any, **kwargs: Any) -> Any:
        if _counting.get():
            return call(*args, **kwargs)
        statsd = client()
        level = _level(method, args, kwargs)
        name = counter(level, method == "exception" or bool(kwargs.get("exc_info")))
        if statsd is not None and name is not None:
            statsd.incr(name)
        token = _counting.set(True)
        try:
            return call(*args, **kwargs)
        finally:
            _counting.reset(token)

    return counted


def _level(method: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
    given: Any = "error" if method == "exception" else method
    if method == "log":
        given = kwargs.get("lvl", args[0] if args else 0)
    if isinstance(given, str):
        given = logging.getLevelNamesMapping().get(given.upper(), 0)
    return given if isinstance(given, int) else 0
