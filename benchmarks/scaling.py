"""Measure how the rate grows with the number of workers, and fit a model of it; see README.md.

The model is Neil Gunther's universal scalability law. What it says beyond the measured numbers of
workers is a prediction and not a measurement. Takes about five minutes; nothing runs longer than
its bound.
"""

from __future__ import annotations

import math
import os
import platform
import statistics
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from measure import Failed, Running, comparison, require, running, settle, wrk
from servers import BY_NAME, prepare

WORKERS = (1, 2, 4, 8, 16, 32)
BEYOND = (64, 128)
"""Numbers of workers that are predicted."""
CONNECTIONS = 96
"""More than there are workers, so that none is idle for want of a request."""
PATH = "/brief"
WARM_UP = 1


@dataclass(frozen=True)
class Law:
    """The universal scalability law: X(N) = rate * N / (1 + contention (N-1) + coherence N (N-1)).

    :ivar rate: requests per second of one worker.
    :ivar contention: the share of the work that only one worker can do at a time. Its inverse is
        how many workers' rate is never exceeded.
    :ivar coherence: what each pair of workers costs in addition, so that more workers do less in
        the end.
    """

    rate: float
    contention: float
    coherence: float

    def at(self, workers: int) -> float:
        """Return the rate of so many workers."""
        others = workers - 1
        return self.rate * workers / (1 + others * (self.contention + self.coherence * workers))

    @property
    def best(self) -> float:
        """The number of workers with the highest rate; infinite if each one adds something."""
        if not self.coherence:
            return math.inf
        return max(1.0, math.sqrt(max(0.0, 1 - self.contention) / self.coherence))


def fit(points: Sequence[tuple[int, float]]) -> Law:
    """Fit the law to numbers of workers and their rates, by least squares of the relative errors.

    Divided by the rate, the law is linear in its terms: 1 = (a + b (N-1) + c N (N-1)) * X / N. A
    term that would be negative, which has no meaning here, is left out.
    """
    terms = [0, 1, 2]
    while True:
        rows = [
            [(1.0, n - 1.0, n * (n - 1.0))[term] * rate / n for term in terms] for n, rate in points
        ]
        found = solve(
            [
                [sum(row[i] * row[j] for row in rows) for j in range(len(terms))]
                for i in range(len(terms))
            ],
            [sum(row[i] for row in rows) for i in range(len(terms))],
        )
        values = dict(zip(terms, found, strict=True))
        lowest = min(terms[1:], key=values.__getitem__, default=0)
        if values[lowest] >= 0:
            break
        terms.remove(lowest)
    first = values[0]
    return Law(1 / first, values.get(1, 0.0) / first, values.get(2, 0.0) / first)


def solve(matrix: list[list[float]], right: list[float]) -> list[float]:
    """Solve a few linear equations by Gaussian elimination with pivoting."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for column in range(size):
        pivot = max(range(column, size), key=lambda index: abs(rows[index][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        head = rows[column]
        rows[column] = head = [value / head[column] for value in head]
        for index, row in enumerate(rows):
            if index != column:
                rows[index] = [a - row[column] * b for a, b in zip(row, head, strict=True)]
    return [row[-1] for row in rows]


COMPARED = (("corn sync", ()), ("corn gthread", ("--threads", "4")), ("gunicorn sync", ()))
"""Servers, and their options beside the number of workers."""


def rate_of(server: str, options: Sequence[str], seconds: int) -> float:
    """Return the requests per second of a server that is started for this."""
    with running(BY_NAME[server], options=options) as process:
        load(process, WARM_UP)
        return load(process, seconds)


def load(process: Running, seconds: int) -> float:
    found = wrk(process, seconds, PATH, CONNECTIONS, "--timeout", "30s")
    if errors := found["errors"] + found["timeouts"]:
        raise Failed(f"{errors} errors under load")
    return found["rate"]


def table(found: dict[str, list[tuple[int, float]]]) -> str:
    """Format what was measured, and below it what the law makes of it."""
    heads = [*(f"{n}" for n in WORKERS), *(f"{n}, predicted" for n in BEYOND)]
    parameters = "one worker | contention | coherence | most at"
    lines = [f"| | {' | '.join(heads)} | {parameters} |", f"| --- |{' ---: |' * (len(heads) + 4)}"]
    for name, points in found.items():
        law = fit(points)
        measured = row(rate for _, rate in points)
        lines.append(f"| {name}, measured | {measured} |{' |' * (len(BEYOND) + 4)}")
        modelled = row(law.at(n) for n in (*WORKERS, *BEYOND))
        most = "-" if math.isinf(law.best) else f"{law.best:.0f}"
        shares = f"{law.contention:.4f} | {law.coherence:.6f}"
        lines.append(f"| the model | {modelled} | {law.rate:,.0f} | {shares} | {most} |")
    return "\n".join(lines)


def row(rates: Iterable[float]) -> str:
    return " | ".join(f"{rate:,.0f}" for rate in rates)


def main() -> int:
    """Install, measure, fit and print; the exit status is 1 when that cannot be done."""
    options = comparison(__doc__, rounds=3, seconds=2).parse_args()
    require()
    before = os.getloadavg()[0]
    broken = prepare([BY_NAME[name] for name, _ in COMPARED])
    chosen = [each for each in COMPARED if each[0] not in broken]
    for name, problem in broken.items():
        print(f"leaving out {name}: {problem}", file=sys.stderr)
    settle()
    rates: dict[tuple[str, int], list[float]] = {}
    # In turns, so that whatever else the machine does meets all of them.
    for _ in range(options.rounds):
        for workers in WORKERS:
            for name, more in chosen:
                rate = rate_of(name, (*more, "-w", str(workers)), options.seconds)
                rates.setdefault((name, workers), []).append(rate)
    print(f"{platform.python_implementation()} {platform.python_version()};", end=" ")
    print(f"one core; medians of {options.rounds}; load average before: {before:.1f}\n")
    print(
        table(
            {name: [(n, statistics.median(rates[name, n])) for n in WORKERS] for name, _ in chosen}
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
