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
    import bars
    import bench
    import chart
    import measure
    import sizing
    from scenarios import SCENARIOS
    from servers import BY_NAME, SERVERS
finally:
    sys.path.remove(str(ROOT / "benchmarks"))

FIGURES: chart.Figures = json.loads(chart.FIGURES.read_text())

REPORT = """\
  Latency Distribution
     99%  1.25ms
  2000 requests in 1.00s, 300.00KB read
  Socket errors: connect 0, read 3, write 0, timeout 7
  Non-2xx or 3xx responses: 2
Requests/sec:   1990.50
"""


def test_chart_is_drawn_from_the_figures() -> None:
    assert chart.CHART.read_text() == chart.draw(FIGURES)


@pytest.mark.parametrize("page", chart.PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_are_those_of_the_figures(page: Path) -> None:
    text, tables = page.read_text(), chart.PAGES[page](FIGURES)
    assert tables in text
    assert chart.with_tables(text, tables) == text


def test_length_of_a_bar_is_its_figure() -> None:
    svg = ElementTree.fromstring(chart.draw(FIGURES))
    lengths = [int(each.attrib["width"]) for each in svg if each.tag.endswith("rect")]
    room = chart.WIDTH - chart.LABELS - chart.NUMBERS - chart.MARGIN
    expected = []
    for picture in chart.PICTURES:
        medians = [spread["median"] for _, spread in chart.speeds(FIGURES, picture)]
        expected += [int(room * median / max(medians)) for median in medians]
    assert lengths == expected and max(lengths) == room


@pytest.mark.parametrize("page", chart.PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_other_figures_make_other_tables(page: Path) -> None:
    changed: chart.Figures = json.loads(json.dumps(FIGURES))
    _, speed = chart.speeds(changed, chart.PICTURES[0])[0]
    speed["median"] += 1
    assert chart.draw(changed) != chart.draw(FIGURES)
    tables = chart.PAGES[page](changed)
    text = chart.with_tables(page.read_text(), tables)
    assert tables in text and chart.PAGES[page](FIGURES) not in text


def test_what_is_left_out_is_in_the_table_with_its_reason() -> None:
    row = chart.Row(scenario="hello", server="bjoern", version="", left_out="no | compiler")
    text = chart.whole_tables({**FIGURES, "rows": [*FIGURES["rows"], row]})
    assert "left out: no \\| compiler |" in text


def test_pictures_peers_and_bars_are_in_the_tables_of_servers_and_scenarios() -> None:
    scenarios = {each.name for each in SCENARIOS}
    assert set(chart.PICTURED) <= set(BY_NAME)
    assert {each.scenario for each in chart.PICTURES} <= scenarios
    assert {peer for server in SERVERS for peer in server.peers} <= set(BY_NAME)
    groups = {group for server in SERVERS for group in server.groups}
    assert {each.group for each in SCENARIOS} - {""} <= groups
    planned = {
        (scenario.name, turn.server.name)
        for turn in bench.turns(SERVERS, SCENARIOS)
        for scenario in turn.scenarios
    }
    assert {cell for bar in bars.BARS for cell in bar.cells} <= planned


def test_bars_measure_no_more_than_they_need() -> None:
    some = [bar for bar in bars.BARS if bar.scenario == "TLS"]
    planned = [
        (turn.server.name, [each.name for each in turn.scenarios]) for turn in bars.needed(some)
    ]
    assert planned == [("corn gthread", ["TLS"]), ("granian wsgi", ["TLS"])]


@pytest.mark.parametrize(
    ("rates", "errors", "kept"),
    [([90, 100, 110], 0, True), ([89, 99, 120], 0, False), ([190, 200, 210], 1, False)],
)
def test_a_bar_is_for_the_ratio_of_medians_without_errors(
    rates: list[float], errors: int, kept: bool
) -> None:
    bar = bars.Bar("hello", "corn gthread", "granian wsgi", 1.0)
    found = bench.Results()
    found.rounds["hello", "corn gthread"] = {"rate": rates, "errors": [0, errors, 0]}
    found.rounds["hello", "granian wsgi"] = {"rate": [80, 100, 300]}
    assert bars.judge(bar, found).kept is kept


def test_words_choose_servers_and_scenarios() -> None:
    servers, scenarios = bench.chosen(["asgi", "hello"])
    assert [each.name for each in servers] == ["corn asgi", "uvicorn", "granian asgi"]
    assert [each.name for each in scenarios] == ["hello"]
    assert [each.name for each in bench.chosen(["corn gthread"])[0]] == ["corn gthread"]
    assert bench.chosen([]) == (list(SERVERS), list(SCENARIOS))
    with pytest.raises(SystemExit, match="'nothing' chooses nothing; there are"):
        bench.chosen(["nothing"])


def test_figures_of_a_report_of_wrk() -> None:
    assert measure.figures(REPORT) == {"rate": 1990.5, "p99": 1.25, "errors": 5, "timeouts": 7}


def test_table_of_sizes_is_that_of_the_figures() -> None:
    found: sizing.Figures = json.loads(sizing.FIGURES.read_text())
    text = sizing.PAGE.read_text()
    assert sizing.table(found) in text
    found["rows"][0]["memory"] += 1
    assert sizing.table(found) not in text
    assert sizing.table(found) in sizing.with_table(text, found)
