"""``cornctl top``: a view of a server that renews itself, or a line for each look."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from itertools import count
from time import monotonic, sleep

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from corn_control.client import Connection, Unreachable
from corn_control.protocol import Request
from corn_control.render import headline, memory, printable, span
from corn_control.samples import Rates, Result, Sample, rates

UNREACHABLE = 3
"""The exit status of a command that has found no server."""

TIMEOUT = 10.0
SLOWEST = 8
"""The most requests in flight that are shown."""

STYLES = {"busy": "green", "idle": "dim", "booting": "yellow", "draining": "magenta"}
MISSING = "-"


def run_top(path: str, interval: float, looks: int | None, as_json: bool) -> int:
    """Look at a server again and again; returns the exit status."""
    console = Console()
    try:
        if console.is_terminal and not as_json:
            return _live(path, interval, looks, console)
        return _lines(path, interval, looks, as_json)
    except KeyboardInterrupt:
        return 0  # which is how it ends


def _lines(path: str, interval: float, looks: int | None, as_json: bool) -> int:
    before = None
    try:
        with Connection(path) as connection:
            for _ in _turns(interval, looks):
                sample = look(connection)
                print(line(sample, rates(before, sample), as_json), flush=True)
                before = sample
    except Unreachable as error:
        print(f"cornctl: {error}", file=sys.stderr)
        return UNREACHABLE
    return 0


def _live(path: str, interval: float, looks: int | None, console: Console) -> int:
    connection, before = None, None
    with Live(console=console, screen=True, auto_refresh=False) as live:
        for _ in _turns(interval, looks):
            try:
                if connection is None:
                    connection = Connection(path)
                sample = look(connection)
                live.update(view(sample, rates(before, sample)), refresh=True)
                before = sample
            except Unreachable as error:
                # It may come back: a master that was upgraded answers at the same path.
                if connection is not None:
                    connection.close()
                connection, before = None, None
                live.update(Text(str(error), style="red"), refresh=True)
    if connection is not None:
        connection.close()
        return 0
    return UNREACHABLE


def _turns(interval: float, looks: int | None) -> Iterator[int]:
    """Yield once per look, with the interval between them."""
    for number in count() if looks is None else range(looks):
        if number:
            sleep(interval)
        yield number


def look(connection: Connection) -> Sample:
    """Look at a server once.

    :raises Unreachable: when it does not answer.
    """
    found: list[Result] = []
    for command in ("status", "workers", "requests"):
        answer = connection.ask(Request(command, {}, TIMEOUT))
        if not answer["ok"]:
            raise Unreachable(answer["error"]["message"])
        found.append(answer["result"])
    status, workers, requests = found
    return Sample(monotonic(), status, workers["workers"], requests["requests"])


def line(sample: Sample, done: Rates, as_json: bool = False) -> str:
    """Return a look as one line."""
    status = sample.status
    if as_json:
        rest = {"workers": sample.workers, "requests": sample.requests}
        return json.dumps({"status": status, "rates": done.as_dict(), **rest})
    return (
        f"{headline(status)}; {done.per_second:.1f} requests/s, {status['in_flight']} in flight,"
        f" p50 {_short(done.median)}, p99 {_short(done.slow)}, memory {_total(sample)}"
    )


def view(sample: Sample, done: Rates) -> Group:
    """Return a look as it fills a terminal."""
    status = sample.status
    summary = Text(
        f"{done.per_second:.1f} requests/s  {status['in_flight']} in flight "
        f" {status['connections']} connections "
        f" p50 {_short(done.median)}  p99 {_short(done.slow)}  memory {_total(sample)}"
    )
    return Group(
        Text(headline(status), style="bold"), summary, _workers(sample, done), _slowest(sample)
    )


def _workers(sample: Sample, done: Rates) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    table.add_column("PID")
    for name in ("gen", "state", "serving", "req/s", "requests", "in flight", "conns", "memory"):
        table.add_column(name, justify="left" if name == "state" else "right")
    for each in sample.workers:
        rate = done.by_worker.get(each["pid"])
        cells = (
            *(each["pid"], each["generation"], each["state"], span(each["serving"])),
            *(None if rate is None else f"{rate:.1f}", each["requests"], each["in_flight"]),
            *(each["connections"], memory(each["memory"])),
        )
        style = STYLES.get(each["state"], "")
        table.add_row(*(Text(_cell(cell)) for cell in cells), style=style)
    return table


def _slowest(sample: Sample) -> Table:
    table = Table(expand=True, box=None, pad_edge=False)
    for name in ("slowest now", "for", "request"):
        table.add_column(name, ratio=None if name != "request" else 1, no_wrap=True)
    running = [each for each in sample.requests if each["seconds"] is not None]
    for each in running[:SLOWEST]:
        request = printable(f"{each['method']} {each['path']}")
        table.add_row(*map(Text, (str(each["pid"]), _short(each["seconds"]), request)))
    return table


def _total(sample: Sample) -> str:
    sizes = [each["memory"] for each in sample.workers if each["memory"] is not None]
    return memory(sum(sizes)) or MISSING if sizes else MISSING


def _short(seconds: float | None) -> str:
    return span(seconds) or MISSING


def _cell(value: object) -> str:
    return MISSING if value is None else str(value)
