"""The gauges: measures them, and decides when to send them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from corn_core.typing import ListenerView, WorkerSnapshot
from corn_statsd.client import sanitised

PERIOD = 10.0
"""Seconds after which a gauge is sent even if it has not changed. This is statsd's own interval:
a gauge that is not sent for longer leaves a gap in many graphs."""


class Gauges:
    """Decides which gauges to send."""

    def __init__(self) -> None:
        self._sent: dict[str, int] = {}
        self._all_sent_at: float | None = None

    def due(self, values: Mapping[str, int], now: float) -> dict[str, int]:
        """Return the gauges that have changed, or all if it is time; one that is gone counts as 0.

        :param now: seconds of a monotonic clock.
        """
        values = {**{name: 0 for name, value in self._sent.items() if value}, **values}
        if self._all_sent_at is None or now - self._all_sent_at >= PERIOD:
            self._all_sent_at = now
            due = dict(values)
        else:
            due = {name: value for name, value in values.items() if self._sent.get(name) != value}
        self._sent = dict(values)
        return due


def measure(workers: Iterable[WorkerSnapshot], listeners: Iterable[ListenerView]) -> dict[str, int]:
    """Measure all gauges.

    :param workers: as returned by the master's ``snapshot()``.
    """
    in_flight = [worker.in_flight for worker in workers]
    values = {
        "corn.workers": len(in_flight),
        "corn.workers.busy": sum(1 for count in in_flight if count),
        "corn.requests.in_flight": sum(in_flight),
    }
    for listener in listeners:
        queued = listener.queued()
        if queued is not None:
            values[backlog_name(listener.url)] = queued
    return values


def backlog_name(url: str) -> str:
    """Name the gauge of a listener, with its address as one part: ``corn.backlog.0_0_0_0_80``."""
    address = url.partition("://")[2] or url
    return "corn.backlog." + sanitised(address.replace(".", "_")).strip("_")
