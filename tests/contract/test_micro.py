"""The micro-benchmarks run, so that figures can be measured again; how fast is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_scenario_of_the_micro_benchmarks_gives_a_figure() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "micro.py"), "--rounds", "1", "--json"]
    outcome = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    figures = json.loads(outcome.stdout)["microseconds"]
    assert {name.partition(":")[0] for name in figures} == {"parse", "environ", "request"}
    assert all(len(rounds) == 1 and rounds[0] > 0 for rounds in figures.values())
