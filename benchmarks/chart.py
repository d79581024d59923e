"""Draw the chart of measured figures, and write their tables: `python benchmarks/chart.py`.

All is made of figures.json alone, which bench.py writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NotRequired, TypedDict

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "figures.json"
CHART = HERE.parent / "docs" / "_static" / "figures.svg"

WIDTH, MARGIN, BAR, GAP, LABELS, NUMBERS = 520, 8, 18, 8, 130, 64

_TABLES = re.compile(r"(?<=^<!-- figures -->\n).*?(?=^<!-- end of figures -->$)", re.M | re.S)

# Colours that can be read on white and on black, because the page may be either.
TEXT, OWN, OTHERS = "#7d8590", "#d29922", "#8b949e"

HEADINGS = {
    "rate": "requests per second",
    "per_cpu": "requests per second of processor time",
    "p99": "p99, ms",
    "slow": "slow requests per second",
    "uneven": "most by least",
    "start": "first response, ms",
    "mib": "PSS, MiB",
    "more": "more MiB",
    "errors": "errors",
    "timeouts": "timeouts",
}
"""The figures in the order of the tables' columns."""


class Spread(TypedDict):
    """The median of the rounds, and the extremes."""

    median: float
    low: float
    high: float


class Row(TypedDict):
    """Tell what was measured of one server in one scenario, or why nothing was.

    ``ratios`` has corn's figures divided by those of its peers: by peer, then by figure.
    """

    scenario: str
    server: str
    version: str
    figures: NotRequired[dict[str, Spread]]
    ratios: NotRequired[dict[str, dict[str, float]]]
    left_out: NotRequired[str]


class Figures(TypedDict):
    """All that was measured in one run, and on what."""

    date: str
    machine: str
    python: str
    rounds: str
    rows: list[Row]


@dataclass(frozen=True)
class Picture:
    """Choose what is shown to readers who want no details: one figure of a scenario."""

    scenario: str
    title: str
    figure: str


PICTURES = (
    Picture("hello", "Hello world, kept-alive connections", "per_cpu"),
    Picture("fast beside slow", "The same, beside 16 requests that wait", "rate"),
)
PICTURED = ("corn gthread", "granian wsgi", "gunicorn gthread", "waitress", "uvicorn")


def speeds(figures: Figures, picture: Picture) -> list[tuple[Row, Spread]]:
    """Return what a picture shows, the fastest server first."""
    found = [
        (row, row["figures"][picture.figure])
        for row in figures["rows"]
        if row["scenario"] == picture.scenario and row["server"] in PICTURED and "figures" in row
    ]
    return sorted(found, key=lambda pair: -pair[1]["median"])


def draw(figures: Figures) -> str:
    """Draw a bar for each server, picture by picture; the longest is the fastest."""
    body, y = [], MARGIN
    for picture in PICTURES:
        shown = speeds(figures, picture)
        if not shown:
            continue
        y += BAR
        body.append(_text(MARGIN, y, picture.title, "bold"))
        y += BAR
        body.append(_text(MARGIN, y, HEADINGS[picture.figure]))
        y += GAP + 2
        for row, speed in shown:
            body += _bar(row["server"], speed["median"], y, shown[0][1]["median"])
            y += BAR + GAP
        y += GAP
    for line in (f"{figures['date']}, {figures['python']}", figures["machine"], figures["rounds"]):
        y += BAR
        body.append(_text(MARGIN, y, line))
    size = f'viewBox="0 0 {WIDTH} {y + GAP}" width="{WIDTH}" height="{y + GAP}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif">'
    return "\n".join([head, "<title>Measured figures</title>", *body, "</svg>"]) + "\n"


def _bar(server: str, speed: float, y: int, fastest: float) -> Iterator[str]:
    own = server.startswith("corn")
    width = max(1, int((WIDTH - LABELS - NUMBERS - MARGIN) * speed / fastest))
    yield _text(MARGIN, y + 14, server, "bold" if own else "normal")
    place = f'x="{LABELS}" y="{y}" width="{width}" height="{BAR}" rx="2"'
    yield f'<rect {place} fill="{OWN if own else OTHERS}"/>'
    yield _text(LABELS + width + 6, y + 14, f"{speed:,.0f}", "bold" if own else "normal")


def _text(x: int, y: int, text: str, weight: str = "normal") -> str:
    look = f'font-size="13" font-weight="{weight}" fill="{TEXT}"'
    return f'<text x="{x}" y="{y}" {look}>{escape(text)}</text>'


def about(figures: Figures) -> str:
    return f"{figures['date']}; {figures['python']}; {figures['machine']}; {figures['rounds']}."


def short_tables(figures: Figures) -> str:
    """Format what the chart shows as Markdown tables."""
    lines = [about(figures)]
    for picture in PICTURES:
        lines += ["", f"| {picture.title} | {HEADINGS[picture.figure]} | lowest | highest |"]
        lines.append("| --- | ---: | ---: | ---: |")
        for row, speed in speeds(figures, picture):
            numbers = " | ".join(number(speed[key]) for key in ("median", "low", "high"))
            lines.append(f"| {row['server']} {row['version']} | {numbers} |")
    return "\n".join(lines) + "\n"


def whole_tables(figures: Figures) -> str:
    """Format all that was measured as a Markdown table for each scenario."""
    scenarios = dict.fromkeys(row["scenario"] for row in figures["rows"])
    return "\n".join([about(figures), *(_table(figures, scenario) for scenario in scenarios), ""])


def _table(figures: Figures, scenario: str) -> str:
    rows = [row for row in figures["rows"] if row["scenario"] == scenario]
    there = {figure for row in rows for figure in row.get("figures", ())}
    columns = [figure for figure in HEADINGS if figure in there]
    heads = " | ".join([scenario, *(HEADINGS[figure] for figure in columns), "corn by peer"])
    lines = ["", f"| {heads} |", f"| --- |{' ---: |' * len(columns)} --- |"]
    for row in rows:
        cells = [f"{row['server']} {row['version']}".strip()]
        cells += [_cell(row.get("figures", {}).get(figure)) for figure in columns]
        lines.append(f"| {' | '.join([*cells, _remark(row)])} |")
    return "\n".join(lines)


def _cell(spread: Spread | None) -> str:
    if spread is None:
        return ""
    if spread["low"] == spread["high"]:
        return number(spread["median"])
    return f"{number(spread['median'])} ({number(spread['low'])} - {number(spread['high'])})"


def _remark(row: Row) -> str:
    if "left_out" in row:
        return "left out: " + row["left_out"].replace("|", "\\|")
    return "; ".join(
        f"{peer} " + ", ".join(f"{ratio:.2f}" for ratio in ratios.values())
        for peer, ratios in row.get("ratios", {}).items()
    )


def number(value: float) -> str:
    """Format a figure with as many digits as mean something."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


PAGES = {HERE / "README.md": whole_tables, HERE.parent / "README.md": short_tables}
"""The pages that show tables, between two comments, and which."""


def with_tables(text: str, tables: str) -> str:
    """Put the tables into a page, in place of those that it has."""
    return _TABLES.sub(lambda _: tables, text)


def main() -> None:
    figures: Figures = json.loads(FIGURES.read_text())
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(draw(figures))
    for path, tables in PAGES.items():
        path.write_text(with_tables(path.read_text(), tables(figures)))


if __name__ == "__main__":
    main()
