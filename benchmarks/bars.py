"""Judge corn by its bars: how fast it should be beside its peers, in one run; see README.md.

The figures are those of the scenarios of `make bench`. Prints a Markdown table, and exits with
status 1 when a bar was missed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import chart
from bench import ROUNDS, SECONDS, Results, Turn, announce, measure, names_it, turns
from measure import comparison, require
from scenarios import SCENARIOS
from servers import BY_NAME, THREADS
from shapes import WAITS

IDEAL = "the ideal"


@dataclass(frozen=True)
class Bar:
    """A comparison, and what it should come to: so many times the peer's figure.

    :param times: the fewest times, or the most where less is better.
    :param ideal: what is compared with, if that is not measured.
    :param beside: the scenario of the peer, where it is another one.
    """

    scenario: str
    own: str
    peer: str
    times: float
    figure: str = "rate"
    at_most: bool = False
    ideal: float = 0.0
    beside: str = ""

    @property
    def cells(self) -> tuple[tuple[str, str], ...]:
        """The scenarios and servers that are measured for it."""
        own, peer = (self.scenario, self.own), (self.beside or self.scenario, self.peer)
        return (own,) if self.ideal else (own, peer)


GTHREAD, GRANIAN, GUNICORN = "corn gthread", "granian wsgi", "gunicorn gthread"
BARS = (
    Bar("hello", GTHREAD, GRANIAN, 1.0),
    Bar("the same 12 fields", GTHREAD, GRANIAN, 1.05),
    Bar("12 fields that differ", GTHREAD, GRANIAN, 0.85),
    Bar("POST of 10 kB", GTHREAD, GRANIAN, 1.0),
    Bar("streamed, 100 blocks", GTHREAD, GRANIAN, 0.9),
    Bar("response of 1 MiB", GTHREAD, GRANIAN, 1.2),
    Bar("Flask", GTHREAD, GRANIAN, 1.1),
    Bar("Django", GTHREAD, GRANIAN, 1.05),
    Bar("new connections", GTHREAD, GRANIAN, 1.0),
    Bar("1,000 connections", GTHREAD, GRANIAN, 1.1),
    Bar("1,000 connections", GTHREAD, GRANIAN, 1.0, "p99", at_most=True),
    Bar("TLS", GTHREAD, GRANIAN, 1.0),
    Bar("access log to a file", GTHREAD, GTHREAD, 0.8, beside="hello"),
    Bar("hello", GTHREAD, "corn tornado", 0.9),
    Bar("busy core", GTHREAD, "corn tornado", 0.9),
    Bar("1,000 idle connections", GTHREAD, GRANIAN, 1.0, "mib", at_most=True),
    Bar("1,000 idle connections", GTHREAD, GRANIAN, 1.0, "more", at_most=True),
    Bar("hello", GTHREAD, GUNICORN, 8),
    Bar("fast beside slow", GTHREAD, GUNICORN, 5),
    Bar("fast beside slow", GTHREAD, GUNICORN, 0.9, "slow"),
    Bar("32 threads, 50 ms", GTHREAD, IDEAL, 0.95, ideal=THREADS / WAITS["/slow"]),
    Bar("four workers", GTHREAD, IDEAL, 1.5, "uneven", at_most=True, ideal=1.0),
    *(
        bar
        for worker, peer in (
            ("gevent", "gevent"),
            ("eventlet", "gevent"),
            ("tornado", "tornado"),
            ("aiohttp", "tornado"),
        )
        for bar in (
            Bar("hello", f"corn {worker}", f"gunicorn {peer}", 4),
            Bar("12 fields that differ", f"corn {worker}", f"gunicorn {peer}", 2),
        )
    ),
    Bar("hello", "corn asgi", "granian asgi", 1.2, "per_cpu"),
    Bar("the same 12 fields", "corn asgi", "granian asgi", 1.1, "per_cpu"),
    Bar("12 fields that differ", "corn asgi", "granian asgi", 1.0, "per_cpu"),
    Bar("POST of 10 kB", "corn asgi", "granian asgi", 1.0, "per_cpu"),
    Bar("FastAPI", "corn asgi", "granian asgi", 1.05, "per_cpu"),
    Bar("WebSocket echo", "corn asgi", "uvicorn", 1.0, "per_cpu"),
    Bar("1,000 idle WebSockets", "corn asgi", "uvicorn", 1.0, "mib", at_most=True),
    Bar("1,000 idle WebSockets", "corn asgi", "uvicorn", 1.0, "more", at_most=True),
    Bar("first response, PSS", "corn sync", "gunicorn sync", 1.0, "mib", at_most=True),
    Bar("first response, PSS", "corn sync", "gunicorn sync", 1.35, "start", at_most=True),
)


def needed(bars: Sequence[Bar]) -> list[Turn]:
    """Return the processes of one round, with no more than the bars need."""
    cells = {cell for bar in bars for cell in bar.cells}
    servers = [server for name, server in BY_NAME.items() if any(name == cell[1] for cell in cells)]
    return list(turns(servers, SCENARIOS, lambda each, server: (each.name, server.name) in cells))


@dataclass(frozen=True)
class Judgement:
    """Tell what came of a bar, and the row that says so."""

    kept: bool
    row: str


def judge(bar: Bar, found: Results) -> Judgement:
    """Judge by the medians; errors and timeouts miss every bar, because nothing is fast then."""
    name = f"{bar.scenario}, {chart.HEADINGS[bar.figure]}"
    if missing := [found.left_out[cell] for cell in bar.cells if cell in found.left_out]:
        return Judgement(False, f"| {name} | {bar.own} | {bar.peer} | MISSED: {missing[0]} |")
    mine = found.rounds[bar.cells[0]][bar.figure]
    others = [bar.ideal] * len(mine) if bar.ideal else found.rounds[bar.cells[1]][bar.figure]
    own = found.median(*bar.cells[0], bar.figure)
    peer = bar.ideal or found.median(*bar.cells[1], bar.figure)
    wrong = sum(sum(found.rounds[bar.cells[0]].get(kind, ())) for kind in ("errors", "timeouts"))
    kept = (own <= bar.times * peer if bar.at_most else own >= bar.times * peer) and not wrong
    ratios = [a / b for a, b in zip(mine, others, strict=True) if b]
    spread = f"{min(ratios):.2f} - {max(ratios):.2f}" if ratios else ""
    verdict = f"{'≤' if bar.at_most else '≥'} {bar.times:g}{'' if kept else ' MISSED'}"
    ratio = f"{own / peer:.2f}" if peer else "-"
    note = f"{wrong:g} errors" if wrong else ""
    cells = (name, bar.own, bar.peer, chart.number(own), chart.number(peer), ratio, verdict)
    return Judgement(kept, f"| {' | '.join((*cells, spread, note))} |")


def report(bars: Sequence[Bar], found: Results) -> Iterator[Judgement]:
    print("| | corn | peer | corn's | peer's | ratio | bar | ratio by round | |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | --- |")
    for bar in bars:
        judgement = judge(bar, found)
        print(judgement.row)
        yield judgement


def main() -> int:
    parser = comparison(__doc__, ROUNDS, SECONDS)
    parser.add_argument("words", nargs="*", help="only bars whose scenario or server has a word")
    options = parser.parse_args()
    require("openssl")
    bars = [
        bar
        for bar in BARS
        if not options.words
        or any(names_it(word, name) for word in options.words for name in (bar.scenario, bar.own))
    ]
    planned = needed(bars)
    announce(planned, options.rounds, options.seconds)
    found = measure(planned, options.rounds, options.seconds)
    judgements = list(report(bars, found))
    return 0 if all(judgement.kept for judgement in judgements) else 1


if __name__ == "__main__":
    sys.exit(main())
