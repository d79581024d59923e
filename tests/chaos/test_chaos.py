"""The short form of ``make chaos``: half of it happens, once, to each worker."""

from __future__ import annotations

import pytest

from tests.chaos.run import WORKERS, half, live

SEED = 1


@pytest.mark.parametrize("worker", WORKERS)
def test_server_survives(worker: str) -> None:
    for event in live(worker, SEED, rounds=1, names=half(worker), short=True):
        print(event)
