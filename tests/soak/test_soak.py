"""The short form of ``make soak``."""

from __future__ import annotations

import pytest

from tests.soak.run import SHORT, growth_of_master, under_load
from tests.soak.scenarios import SCENARIOS

pytestmark = pytest.mark.slow

MEBIBYTE = 1024


def test_every_scenario_has_a_count() -> None:
    assert SHORT.keys() == SCENARIOS.keys()


@pytest.mark.parametrize("name", SHORT)
def test_no_request_fails(name: str) -> None:
    tally = under_load(name, SHORT[name]).tally
    assert tally.failures == {}
    assert tally.answered == tally.sent > 200


def test_the_master_does_not_grow() -> None:
    growth = growth_of_master(5)
    assert (growth.descriptors, growth.zombies, growth.temporary_files) == (0, 0, 0)
    assert growth.private_kib < MEBIBYTE
