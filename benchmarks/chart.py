"""Draws the chart of measured figures, and writes their tables: `python benchmarks/chart.py`.

All is made of figures.json alone, which peers.py writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TypedDict

HERE = Path(__file__).resolve().parent
FIGURES = HERE / "figures.json"
CHART = HERE.parent / "docs" / "_static" / "figures.svg"

WIDTH, MARGIN, BAR, GAP, LABELS, NUMBERS = 520, 8, 18, 8, 130, 64

PAGES = (HERE / "README.md", HERE.parent / "README.md")
"""The pages that show the tables, between two comments."""

_TABLES = re.compile(r"(?<=^<!-- figures -->\n).*?(?=^<!-- end of figures -->$)", re.M | re.S)

# Colours that can be read on white and on black, because the page may be either.
TEXT, OWN, OTHERS = "#7d8590", "#d29922", "#8b949e"


class Speed(TypedDict):
    """The figures of one server in one scenario: the median, and the extremes, of its rounds."""

    server: str
    version: str
    median: int
    low: int
    high: int


class Scenario(TypedDict):
    """Tells what was measured, and the figures of each server."""

    title: str
    unit: str
    speeds: list[Speed]


class Figures(TypedDict):
    """All that was measured in one run, and on what."""

    date: str
    machine: str
    python: str
    rounds: str
    scenarios: list[Scenario]


def draw(figures: Figures) -> str:
    """Draw a bar for each server, scenario by scenario; the longest is the fastest."""
    body, y = [], MARGIN
    for scenario in figures["scenarios"]:
        y += BAR
        body.append(_text(MARGIN, y, scenario["title"], "bold"))
        y += BAR
        body.append(_text(MARGIN, y, scenario["unit"]))
        y += GAP + 2
        fastest = max(speed["median"] for speed in scenario["speeds"])
        for speed in scenario["speeds"]:
            body += _bar(speed, y, fastest)
            y += BAR + GAP
        y += GAP
    for line in (
        f"{figures['date']}, {figures['python']}, {figures['machine']}",
        figures["rounds"],
    ):
        y += BAR
        body.append(_text(MARGIN, y, line))
    size = f'viewBox="0 0 {WIDTH} {y + GAP}" width="{WIDTH}" height="{y + GAP}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="sans-serif">'
    return "\n".join([head, "<title>Measured figures</title>", *body, "</svg>"]) + "\n"


def _bar(speed: Speed, y: int, fastest: int) -> Iterator[str]:
    own = speed["server"].startswith("corn")
    width = max(1, (WIDTH - LABELS - NUMBERS - MARGIN) * speed["median"] // fastest)
    yield _text(MARGIN, y + 14, speed["server"], "bold" if own else "normal")
    place = f'x="{LABELS}" y="{y}" width="{width}" height="{BAR}" rx="2"'
    yield f'<rect {place} fill="{OWN if own else OTHERS}"/>'
    yield _text(LABELS + width + 6, y + 14, f"{speed['median']:,}", "bold" if own else "normal")


def _text(x: int, y: int, text: str, weight: str = "normal") -> str:
    look = f'font-size="13" font-weight="{weight}" fill="{TEXT}"'
    return f'<text x="{x}" y="{y}" {look}>{escape(text)}</text>'


def table(figures: Figures) -> str:
    """Format the figures as Markdown tables."""
    lines = [f"{figures['date']}; {figures['python']}; {figures['machine']}; {figures['rounds']}."]
    for scenario in figures["scenarios"]:
        lines += ["", f"| {scenario['title']} | {scenario['unit']} | lowest | highest |"]
        lines.append("| --- | ---: | ---: | ---: |")
        for speed in scenario["speeds"]:
            numbers = " | ".join(f"{speed[key]:,}" for key in ("median", "low", "high"))
            lines.append(f"| {speed['server']} {speed['version']} | {numbers} |")
    return "\n".join(lines) + "\n"


def with_tables(text: str, figures: Figures) -> str:
    """Put the tables into a page, in place of those that it has."""
    return _TABLES.sub(lambda _: table(figures), text)


def main() -> None:
    figures: Figures = json.loads(FIGURES.read_text())
    CHART.parent.mkdir(exist_ok=True)
    CHART.write_text(draw(figures))
    for path in PAGES:
        path.write_text(with_tables(path.read_text(), figures))


if __name__ == "__main__":
    main()
