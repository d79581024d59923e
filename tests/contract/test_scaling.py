"""The model of how rates grow with the number of workers."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
try:
    from scaling import WORKERS, Law, fit, table
finally:
    sys.path.remove(str(ROOT / "benchmarks"))

LAW = Law(rate=400.0, contention=0.02, coherence=0.0005)


def points(law: Law) -> list[tuple[int, float]]:
    return [(workers, law.at(workers)) for workers in WORKERS]


@pytest.mark.parametrize(
    "law", [LAW, Law(400.0, 0.02, 0.0), Law(400.0, 0.0, 0.0005), Law(400.0, 0.0, 0.0)], ids=str
)
def test_law_is_found_in_its_own_points(law: Law) -> None:
    found = fit(points(law))
    assert found.rate == pytest.approx(law.rate)
    assert found.contention == pytest.approx(law.contention, abs=1e-9)
    assert found.coherence == pytest.approx(law.coherence, abs=1e-9)


def test_rates_of_the_law() -> None:
    assert LAW.at(1) == 400
    assert LAW.at(4) == pytest.approx(400 * 4 / (1 + 0.06 + 0.006))
    # The highest rate is there, and the law without its last term has none.
    assert LAW.best == pytest.approx(math.sqrt(0.98 / 0.0005))
    assert LAW.at(44) > max(LAW.at(22), LAW.at(88))
    assert Law(400.0, 0.02, 0.0).best == math.inf


def test_better_than_linear_is_taken_for_linear() -> None:
    """No share of the work is negative, though noise in the figures may look like that."""
    found = fit([(1, 100.0), (2, 220.0), (4, 450.0), (8, 900.0)])
    assert (found.contention, found.coherence) == (0, 0)
    assert 100 < found.rate < 115


def test_table_has_what_was_measured_and_what_is_predicted() -> None:
    measured, modelled = table({"a server": points(LAW)}).splitlines()[2:]
    assert measured.startswith("| a server, measured | 400 |")
    assert f"| {LAW.at(128):,.0f} | 400 | 0.0200 | 0.000500 | 44 |" in modelled
