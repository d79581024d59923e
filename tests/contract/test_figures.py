"""The chart and the tables show what was measured, and nothing else."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    import chart
    import sizing
finally:
    sys.path.remove(str(ROOT / "benchmarks"))

FIGURES: chart.Figures = json.loads(chart.FIGURES.read_text())


def test_chart_is_drawn_from_the_figures() -> None:
    assert chart.CHART.read_text() == chart.draw(FIGURES)


@pytest.mark.parametrize("page", chart.PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_are_those_of_the_figures(page: Path) -> None:
    text = page.read_text()
    assert chart.table(FIGURES) in text
    assert chart.with_tables(text, FIGURES) == text


def test_length_of_a_bar_is_its_figure() -> None:
    svg = ElementTree.fromstring(chart.draw(FIGURES))
    bars = [int(each.attrib["width"]) for each in svg if each.tag.endswith("rect")]
    room = chart.WIDTH - chart.LABELS - chart.NUMBERS - chart.MARGIN
    expected = [
        room * speed["median"] // max(one["median"] for one in scenario["speeds"])
        for scenario in FIGURES["scenarios"]
        for speed in scenario["speeds"]
    ]
    assert bars == expected and max(bars) == room


def test_other_figures_make_other_tables() -> None:
    changed: chart.Figures = json.loads(json.dumps(FIGURES))
    changed["scenarios"][0]["speeds"][0]["median"] += 1
    assert chart.draw(changed) != chart.draw(FIGURES)
    text = chart.with_tables(chart.PAGES[0].read_text(), changed)
    assert chart.table(changed) in text and chart.table(FIGURES) not in text


def test_table_of_sizes_is_that_of_the_figures() -> None:
    found: sizing.Figures = json.loads(sizing.FIGURES.read_text())
    text = sizing.PAGE.read_text()
    assert sizing.table(found) in text
    found["rows"][0]["memory"] += 1
    assert sizing.table(found) not in text
    assert sizing.table(found) in sizing.with_table(text, found)
