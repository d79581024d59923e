"""Compares two looks at a server: pure functions of its answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Result = dict[str, Any]


class Sample(NamedTuple):
    """One look at a server.

    :param at: when, in seconds of a monotonic clock.
    :param status: the result of the command ``status``; ``workers`` and ``requests`` likewise.
    """

    at: float
    status: Result
    workers: list[Result]
    requests: list[Result]


class Rates(NamedTuple):
    """The work of a server between two looks.

    :param per_second: requests.
    :param mean: seconds that a request took; None if none was answered.
    :param median: the upper bound of the class that the median is in; None likewise.
    :param slow: the same for the 99th percentile.
    :param by_worker: requests per second by process id, for those that were there before.
    """

    per_second: float
    mean: float | None
    median: float | None
    slow: float | None
    by_worker: dict[int, float]

    def as_dict(self) -> Result:
        return {name: value for name, value in self._asdict().items() if name != "by_worker"}


_NOTHING = Rates(0.0, None, None, None, {})


def rates(before: Sample | None, after: Sample) -> Rates:
    """Compare two looks; there is nothing to compare if another master answers since."""
    if before is None or before.status["pid"] != after.status["pid"]:
        return _NOTHING
    passed = max(after.at - before.at, 1e-9)
    then, now = before.status["durations"], after.status["durations"]
    counts = [new - old for old, new in zip(then["counts"], now["counts"], strict=True)]
    answered = sum(counts)
    known = {each["pid"]: each["requests"] for each in before.workers}
    return Rates(
        per_second=answered / passed,
        mean=(now["seconds"] - then["seconds"]) / answered if answered else None,
        median=quantile(now["bounds"], counts, 0.5),
        slow=quantile(now["bounds"], counts, 0.99),
        by_worker={
            each["pid"]: (each["requests"] - known[each["pid"]]) / passed
            for each in after.workers
            if each["pid"] in known
        },
    )


def quantile(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    """Return the upper bound of the class in which a share of all durations ends.

    None if there are none. The last bound stands for all that is longer, too.
    """
    total = sum(counts)
    if not total:
        return None
    sofar = 0
    for bound, count in zip(bounds, counts, strict=False):
        sofar += count
        if sofar >= share * total:
            return bound
    return bounds[-1]
