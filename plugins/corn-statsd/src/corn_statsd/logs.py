"""Counting what is written to the error log, whatever the logger."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from corn_core.interfaces import Logger
from corn_core.logs import WSGI_ERRORS
from corn_statsd.client import StatsdClient
from corn_statsd.metrics import metric_in

Client = Callable[[], StatsdClient | None]
"""Gives the client of the process that asks; None when nothing is measured."""

_BY_LEVEL = (
    (logging.CRITICAL, "corn.log.critical"),
    (logging.ERROR, "corn.log.error"),
    (logging.WARNING, "corn.log.warning"),
)

_METHODS = ("warning", "error", "critical", "exception", "log")

# Whether a counted call of a foreign logger is under way: its ``exception`` may well call its
# ``error``. A variable of this kind is there once a thread, and once a greenlet.
_counting: ContextVar[bool] = ContextVar("corn_statsd_counting", default=False)


def counter(level: int, exception: bool) -> str | None:
    """The counter of a message; a message with a traceback is an exception and not an error."""
    name = next((name for least, name in _BY_LEVEL if level >= least), None)
    return "corn.log.exception" if exception and name == "corn.log.error" else name


class LogMeter(logging.Handler):
    """Counts the records of the error log, and sends the metrics that are in them."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == WSGI_ERRORS:
            # What applications write there is no message of anybody's, and has no level.
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
                # It prints what is wrong, and where the call was, on standard error.
                self.handleError(record)
            else:
                if metric is not None:
                    metric.send(client)


def attach(meter: LogMeter, client: Client, log: Logger) -> bool:
    """Count what a logger writes from now on; False when there is no way to.

    The loggers of the core and their subclasses write to one of the standard library, which
    applications write to as well: there, all is seen that is written. Of any other logger the
    calls are counted.
    """
    error_log = getattr(log, "error_log", None)
    if isinstance(error_log, logging.Logger):
        error_log.addHandler(meter)  # which adds no handler twice
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
    """A logger's method that is counted, unless another counted one calls it."""

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
