"""The gauges: what they are, and when they are sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from corn_core.net import Listener
from corn_statsd.client import sanitised

PERIOD = 10.0
"""Seconds after which a gauge is sent though it has not changed, which is what statsd counts
as one interval: a gauge that is not sent for longer is a gap in many a graph."""


class Gauges:
    """Decides which gauges are to be sent."""

    def __init__(self) -> None:
        self._sent: dict[str, int] = {}
        self._all_sent_at: float | None = None

    def due(self, values: Mapping[str, int], now: float) -> dict[str, int]:
        """Those that have changed, or all of them; one that is gone has become 0.

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


def measure(workers: Iterable[Any], listeners: Iterable[Listener]) -> dict[str, int]:
    """What the gauges say now.

    :param workers: as the master's ``snapshot()`` gives them.
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
    """The gauge of a listener; its address is one part of the name: ``corn.backlog.0_0_0_0_80``."""
    address = url.partition("://")[2] or url
    return "corn.backlog." + sanitised(address.replace(".", "_")).strip("_")
