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
from collections.abc import Sequence
from typing import TypedDict

from measure import (
    Failed,
    Running,
    comparison,
    cpu_seconds,
    memory,
    processor,
    require,
    running,
    settle,
    wrk,
)
from servers import BY_NAME, HERE, prepare

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


CONFIGURATIONS = (
    ("corn sync", "-w 1"),
    ("corn sync", "-w 4"),
    ("corn sync", "-w 4 --preload"),
    ("corn gthread", "-w 1 --threads 4"),
    ("corn gthread", "-w 1 --threads 32"),
    ("corn gthread", "-w 4 --threads 8"),
    ("corn gevent", "-w 1"),
    ("gunicorn sync", "-w 4"),
    ("gunicorn gthread", "-w 1 --threads 32"),
    ("gunicorn gthread", "-w 4 --threads 8"),
)
"""Servers, and their options; the later flag wins."""


def main() -> int:
    """Install, measure and write; the exit status is 1 when that cannot be done."""
    options = comparison(__doc__, rounds=3, seconds=2).parse_args()
    require()
    before = os.getloadavg()[0]
    broken = prepare([BY_NAME[name] for name, _ in CONFIGURATIONS])
    for name, problem in broken.items():
        print(f"leaving out {name}: {problem}", file=sys.stderr)
    settle()
    found: dict[tuple[str, str], list[list[float]]] = {
        each: [] for each in CONFIGURATIONS if each[0] not in broken
    }
    # In turns, so that whatever else the machine does meets all of them.
    for _ in range(options.rounds):
        for (name, more), rounds in found.items():
            rounds.append(measured(name, more.split(), options.seconds))
    about = (
        f"{datetime.date.today().isoformat()}; {platform.python_implementation()}"
        f" {platform.python_version()}; one core of {processor()}; medians of {options.rounds}"
        f" rounds of {options.seconds} s in turns; load average before: {before:.1f}."
    )
    rows = [row(name, more, rounds) for (name, more), rounds in found.items()]
    written: Figures = {"about": about, "rows": rows}
    FIGURES.write_text(json.dumps(written, indent=2) + "\n")
    PAGE.write_text(with_table(PAGE.read_text(), written))
    return 0


def row(name: str, options: str, rounds: list[list[float]]) -> Row:
    medians = [round(statistics.median(column)) for column in zip(*rounds, strict=True)]
    product, worker = name.split()
    return Row(
        server=product,
        options=f"-k {worker} {options}",
        version=BY_NAME[name].environment.version(),
        computes=medians[0],
        waits=medians[1],
        memory=medians[2],
    )


def measured(name: str, options: Sequence[str], seconds: int) -> list[float]:
    """Do one round: the figures in the order of ``COLUMNS``."""
    with running(BY_NAME[name], APP, options) as server:
        asked(server, "/", WARM_UP)
        before = cpu_seconds(server.session)
        computed = asked(server, "/compute", seconds) * seconds
        spent = cpu_seconds(server.session) - before
    # Another one, because the queue of the first is full of requests that compute.
    with running(BY_NAME[name], APP, options) as server:
        # Not by requests that wait: what the load leaves in the queue would be answered first.
        asked(server, "/", WARM_UP)
        return [computed / spent, asked(server, "/wait", seconds), memory(server.session)]


def asked(server: Running, path: str, seconds: int) -> float:
    """Put the load of one path on; returns the requests per second.

    :raises Failed: when one was not answered as it should be.
    """
    # What waits in the queue of one sync worker is late, but not lost.
    found = wrk(server, seconds, path, CONNECTIONS, "--timeout", "30s")
    if errors := found["errors"] + found["timeouts"]:
        raise Failed(f"{errors} errors under load of {path}")
    return found["rate"]


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
