"""Measure what more workers and more threads bring and cost, and write it into the page about them.

Writes sizing.json and the table in docs/workers.md. Takes about five minutes; nothing runs longer
than its bound.
"""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import statistics
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict

from family import corn, gunicorn, prepare
from measure import (
    LOAD_CORE,
    Failed,
    comparison,
    cpu_seconds,
    figures,
    memory,
    read_arguments,
    run,
    running,
    wrk_command,
)
from peers import processor
from servers import HERE, Server, version

FIGURES = HERE / "sizing.json"
PAGE = HERE.parent / "docs" / "workers.md"
APP = "shop:app"
CONNECTIONS = 48
WARM_UP = 2  # seconds, after which the other workers have loaded the application, too

COLUMNS = ("computes", "waits", "memory")
HEADINGS = (
    "computing: requests per second of processor time",
    "waiting 50 ms: requests per second",
    "memory, MiB",
)

_TABLE = re.compile(r"(?<=^<!-- sizing -->\n).*?(?=^<!-- end of sizing -->$)", re.M | re.S)


class Row(TypedDict):
    """The medians of one configuration."""

    server: str
    options: str
    version: str
    computes: int
    waits: int
    memory: int


class Figures(TypedDict):
    """All that was measured in one run, and on what."""

    about: str
    rows: list[Row]


def configured(make: Callable[..., Server], worker: str, options: str) -> tuple[Server, str]:
    server = make(worker, *options.split(), app=APP)
    return replace(server, name=server.name.split()[0]), f"-k {worker} {options}"


CONFIGURATIONS = (
    configured(corn, "sync", "-w 1"),
    configured(corn, "sync", "-w 4"),
    configured(corn, "sync", "-w 4 --preload"),
    configured(corn, "gthread", "-w 1 --threads 4"),
    configured(corn, "gthread", "-w 1 --threads 32"),
    configured(corn, "gthread", "-w 4 --threads 8"),
    configured(corn, "gevent", "-w 1"),
    configured(gunicorn, "sync", "-w 4"),
    configured(gunicorn, "gthread", "-w 1 --threads 32"),
    configured(gunicorn, "gthread", "-w 4 --threads 8"),
)


def main() -> int:
    """Install, measure and write; the exit status is 1 when that cannot be done."""
    options = read_arguments(comparison(__doc__, rounds=3, seconds=2))
    before = os.getloadavg()[0]
    broken = prepare(server for server, _ in CONFIGURATIONS)
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    found: dict[tuple[Server, str], list[list[float]]] = {
        each: [] for each in CONFIGURATIONS if each[0] not in broken
    }
    # In turns, so that whatever else the machine does meets all of them.
    for _ in range(options.rounds):
        for each, rounds in found.items():
            rounds.append(measured(each[0], options.seconds))
    about = (
        f"{datetime.date.today().isoformat()}; {platform.python_implementation()}"
        f" {platform.python_version()}; one core of {processor()}; medians of {options.rounds}"
        f" rounds of {options.seconds} s in turns; load average before: {before:.1f}."
    )
    rows = [row(server, text, rounds) for (server, text), rounds in found.items()]
    written: Figures = {"about": about, "rows": rows}
    FIGURES.write_text(json.dumps(written, indent=2) + "\n")
    PAGE.write_text(with_table(PAGE.read_text(), written))
    return 0


def row(server: Server, options: str, rounds: list[list[float]]) -> Row:
    medians = [round(statistics.median(column)) for column in zip(*rounds, strict=True)]
    return Row(
        server=server.name,
        options=options,
        version=version(server),
        computes=medians[0],
        waits=medians[1],
        memory=medians[2],
    )


def measured(server: Server, seconds: int) -> list[float]:
    """Do one round: the figures in the order of ``COLUMNS``."""
    with running(server) as (session, port, _):
        asked(port, "/", WARM_UP)
        before = cpu_seconds(session)
        computed = asked(port, "/compute", seconds) * seconds
        spent = cpu_seconds(session) - before
    # Another one, because the queue of the first is full of requests that compute.
    with running(server) as (session, port, _):
        # Not by requests that wait: what the load leaves in the queue would be answered first.
        asked(port, "/", WARM_UP)
        return [computed / spent, asked(port, "/wait", seconds), memory(session)]


def asked(port: int, path: str, seconds: int) -> float:
    """Put the load of one path on; returns the requests per second.

    :raises Failed: when one was not answered as it should be.
    """
    *command, url = wrk_command(port, seconds, CONNECTIONS, path)
    # What waits in the queue of one sync worker is late, but not lost.
    rate, errors = figures(run([*command, "--timeout", "30s", url], seconds))
    if errors or not rate:
        raise Failed(f"{errors} errors under load of {path}")
    return rate


def table(figures: Figures) -> str:
    """Format the figures as a Markdown table."""
    lines = [figures["about"], "", f"| | {' | '.join(HEADINGS)} |", "| --- | ---: | ---: | ---: |"]
    for each in figures["rows"]:
        numbers = " | ".join(f"{each[column]:,}" for column in COLUMNS)  # type: ignore[literal-required]
        lines.append(f"| {each['server']} {each['version']} `{each['options']}` | {numbers} |")
    return "\n".join(lines) + "\n"


def with_table(text: str, figures: Figures) -> str:
    """Put the table into the page, in place of the one that it has."""
    return _TABLE.sub(lambda _: table(figures), text)


if __name__ == "__main__":
    sys.exit(main())
