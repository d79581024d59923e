"""The logger class behind the name ``statsd``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from corn_core.plugin import LOG_LEVELS, SimpleLogger
from corn_statsd.metrics import KEYS, metric_in

if TYPE_CHECKING:
    from corn_core.typing import Config
    from corn_statsd.logs import Client


class StatsdLogger(SimpleLogger):
    """The ``simple`` logger, with calls that can send metrics.

    A call with ``extra={"metric": ..., "value": ..., "mtype": ...}`` sends that metric, whatever
    the levels of the call and the log; without a message it does nothing else. Metrics of requests
    and of the log itself are sent elsewhere, with any logger.

    :ivar client: set by the instrument; None, or returns None, while nothing is measured.
    """

    client: Client | None = None

    def setup(self, config: Config) -> None:
        super().setup(config)
        if not getattr(config, "statsd_host", None):
            self.warning("The logger class statsd sends nothing without statsd_host")

    def debug(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self._write(super().debug, msg, args, kwargs)

    def info(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self._write(super().info, msg, args, kwargs)

    def warning(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self._write(super().warning, msg, args, kwargs)

    def error(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self._write(super().error, msg, args, kwargs)

    def critical(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self._write(super().critical, msg, args, kwargs)

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        self._write(super().exception, msg, args, kwargs)

    def log(self, lvl: Any, msg: str, *args: Any, **kwargs: Any) -> None:
        level = LOG_LEVELS[lvl.lower()] if isinstance(lvl, str) else lvl

        def write(msg: str, *args: Any, **kwargs: Any) -> None:
            self.error_log.log(level, msg, *args, **kwargs)

        self._write(write, msg, args, kwargs)

    def _write(
        self, write: Callable[..., None], msg: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        extra = kwargs.get("extra")
        if extra and self._send(extra):
            # Without the metric, or a handler that sees the record would send it again.
            kwargs = {**kwargs, "extra": _others(extra)}
            if not msg:
                return
        write(msg, *args, **kwargs)

    def _send(self, extra: Any) -> bool:
        """Send the metric of a call; returns False if it has none."""
        try:
            metric = metric_in(extra)
        except ValueError as problem:
            self.error_log.warning("Not sent to statsd: %s", problem)
            return True
        client = self.client() if self.client is not None else None
        if metric is not None and client is not None:
            metric.send(client)
        return metric is not None


def _others(extra: Any) -> dict[str, Any]:
    return {name: value for name, value in extra.items() if name not in KEYS}
