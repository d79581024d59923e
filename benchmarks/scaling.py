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

from family import corn, gunicorn, prepare
from measure import (
    LOAD_CORE,
    Failed,
    comparison,
    figures,
    read_arguments,
    run,
    running,
    wrk_command,
)
from servers import Server

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


def contestants() -> tuple[tuple[str, Sequence[Server]], ...]:
    """Return the servers, each with every number of workers."""
    return (
        ("corn sync", [corn("sync", "-w", str(n)) for n in WORKERS]),
        ("corn gthread", [corn("gthread", "--threads", "4", "-w", str(n)) for n in WORKERS]),
        ("gunicorn sync", [gunicorn("sync", "-w", str(n)) for n in WORKERS]),
    )


def rate_of(server: Server, seconds: int) -> float:
    """Return the requests per second of a server that is started for this."""
    with running(server) as (_, port, _):
        load(port, WARM_UP)
        return load(port, seconds)


def load(port: int, seconds: int) -> float:
    *command, url = wrk_command(port, seconds, CONNECTIONS, PATH)
    rate, errors = figures(run([*command, "--timeout", "30s", url], seconds))
    if errors or not rate:
        raise Failed(f"{errors} errors under load")
    return rate


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
    options = read_arguments(comparison(__doc__, rounds=3, seconds=2))
    before = os.getloadavg()[0]
    chosen = contestants()
    broken = prepare(server for _, servers in chosen for server in servers[:1])
    chosen = tuple((name, servers) for name, servers in chosen if servers[0] not in broken)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    rates: dict[tuple[str, int], list[float]] = {}
    # In turns, so that whatever else the machine does meets all of them.
    for _ in range(options.rounds):
        for index, workers in enumerate(WORKERS):
            for name, servers in chosen:
                rates.setdefault((name, workers), []).append(
                    rate_of(servers[index], options.seconds)
                )
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
