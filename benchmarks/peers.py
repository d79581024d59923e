"""Measure corn beside servers that people know, and draw the chart of the README; see README.md.

Writes figures.json and docs/_static/figures.svg. Takes about five minutes; nothing runs longer
than its bound.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence

import chart
from family import CONNECTIONS, THREADS, beside, corn, granian, gunicorn, prepare
from measure import (
    LOAD_CORE,
    Failed,
    comparison,
    cpu_seconds,
    figures,
    read_arguments,
    run,
    running,
    wrk_command,
)
from servers import Server, version


def waitress(threads: int = 4) -> Server:
    command = ("waitress-serve", "--listen=127.0.0.1:{port}", f"--threads={threads}", "mixed:app")
    return Server("waitress", ("waitress",), command)


def uvicorn() -> Server:
    """Run the same application in its ASGI form, which is what uvicorn is for."""
    command = ("uvicorn", "--port", "{port}", "--no-access-log", "--log-level", "error", "asgi:app")
    return Server("uvicorn (ASGI)", ("uvicorn", "uvloop", "httptools"), command, home="uvicorn")


def hello(server: Server, seconds: int) -> float:
    """Measure hello world on connections that stay open, by the processor time that it takes."""
    with running(server) as (session, port, _):
        run(wrk_command(port, 1, CONNECTIONS), 1)
        before = cpu_seconds(session)
        rate, errors = figures(run(wrk_command(port, seconds, CONNECTIONS), seconds))
        spent = cpu_seconds(session) - before
    if errors or not spent:
        raise Failed(f"{errors} errors under load")
    return rate * seconds / spent


def fast(server: Server, seconds: int) -> float:
    """Measure hello world on 32 connections while 16 others have an application that waits."""
    found = beside(server, seconds)
    if found["errors"]:
        raise Failed(f"{found['errors']} errors under load")
    return found["fast requests/s"]


Measure = Callable[[Server, int], float]

WITH_THREADS = ("--threads", str(THREADS))
SCENARIOS: tuple[tuple[str, str, Measure, tuple[Server, ...]], ...] = (
    (
        "Hello world, kept-alive connections",
        "requests per second of processor time",
        hello,
        (corn("gthread"), granian(), gunicorn("gthread"), waitress(), uvicorn()),
    ),
    (
        "The same, beside 16 requests that wait",
        "requests per second",
        fast,
        (
            corn("gthread", *WITH_THREADS),
            granian(THREADS),
            gunicorn("gthread", *WITH_THREADS),
            waitress(THREADS),
            uvicorn(),
        ),
    ),
)


def main() -> int:
    """Install, measure, write and draw; the exit status is 1 when that cannot be done."""
    options = read_arguments(comparison(__doc__, rounds=5, seconds=3))
    before = os.getloadavg()[0]
    broken = prepare(server for *_, servers in SCENARIOS for server in servers)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    scenarios: list[chart.Scenario] = []
    for title, unit, measure, servers in SCENARIOS:
        there = [server for server in servers if server not in broken]
        speeds = measured(there, measure, options.rounds, options.seconds)
        scenarios.append({"title": title, "unit": unit, "speeds": speeds})
    written: chart.Figures = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores of {processor()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "rounds": (
            f"{options.rounds} rounds of {options.seconds} s in turns;"
            f" load average before: {before:.1f}"
        ),
        "scenarios": scenarios,
    }
    chart.FIGURES.write_text(json.dumps(written, indent=2) + "\n")
    chart.main()
    return 0


def measured(
    servers: Sequence[Server], measure: Measure, rounds: int, seconds: int
) -> list[chart.Speed]:
    """Measure in turns, so that whatever else the machine does meets every server."""
    rates: dict[Server, list[float]] = {server: [] for server in servers}
    for _ in range(rounds):
        for server in list(rates):
            try:
                rates[server].append(measure(server, seconds))
            except Failed as problem:
                print(f"leaving out {server.name}: {problem}", file=sys.stderr)
                del rates[server]
    speeds = [
        chart.Speed(
            server=server.name,
            version=version(server),
            median=round(statistics.median(found)),
            low=round(min(found)),
            high=round(max(found)),
        )
        for server, found in rates.items()
    ]
    return sorted(speeds, key=lambda speed: -speed["median"])


def processor() -> str:
    with open("/proc/cpuinfo") as lines:
        return next(line.partition(": ")[2].strip() for line in lines if "model name" in line)


if __name__ == "__main__":
    sys.exit(main())
