"""Metrics in calls of a log: ``extra={"metric": NAME, "value": NUMBER, "mtype": TYPE}``."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from corn_statsd.client import StatsdClient

NAME, VALUE, TYPE = "metric", "value", "mtype"

KEYS = frozenset({NAME, VALUE, TYPE})

_METHODS = {"counter": "incr", "gauge": "gauge", "timer": "timing", "histogram": "timing"}
# A histogram is a timer to statsd, in milliseconds; ``h`` as a type is Datadog's alone.


class Metric(NamedTuple):
    """One metric from a log call."""

    name: str
    value: float
    type: str

    def send(self, client: StatsdClient) -> None:
        getattr(client, _METHODS[self.type])(self.name, self.value)


def metric_in(extra: Mapping[str, Any]) -> Metric | None:
    """Return the metric in the ``extra`` of a call, or None if there is none.

    :raises ValueError: when the metric cannot be sent.
    """
    name, value, kind = extra.get(NAME), extra.get(VALUE), extra.get(TYPE)
    if name is None or value is None or kind is None:
        return None
    if not isinstance(name, str) or not name:
        raise ValueError(f"the name of a metric must be text, not {name!r}")
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise ValueError(f"the value of metric {name} must be a number, not {value!r}")
    if kind not in _METHODS:
        known = ", ".join(_METHODS)
        raise ValueError(f"the type of metric {name} must be one of {known}, not {kind!r}")
    return Metric(name, value, kind)
