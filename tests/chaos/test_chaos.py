"""The short form of ``make chaos``: half of it happens, once, to each worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.clock import clock_jumps
from tests.chaos.handshake import handshakes
from tests.chaos.run import WORKERS, half, live
from tests.chaos.site import Impossible

SEED = 1


@pytest.mark.parametrize("worker", WORKERS)
def test_server_survives(worker: str) -> None:
    for event in live(worker, SEED, rounds=1, names=half(worker), short=True):
        print(event)


@pytest.mark.parametrize("worker", ["gthread", "gevent", "asgi"])
def test_handshakes_that_do_not_end(worker: str, tmp_path: Path) -> None:
    """One worker of each of the drivers that TLS is written for."""
    handshakes(worker, tmp_path, SEED, step=61, count=30)


@pytest.mark.parametrize("worker", ["gthread", "gevent", "asgi"])
def test_clock_is_set(worker: str, tmp_path: Path) -> None:
    """One worker for each kind of loop."""
    try:
        clock_jumps(worker, tmp_path, SEED, short=True)
    except Impossible as reason:
        pytest.skip(str(reason))
