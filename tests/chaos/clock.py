"""A server whose clock is set by hours, forward and backward, while the monotonic clock goes on.

A library of our own stands between the server and the system's clock. libfaketime cannot be used:
while it leaves the monotonic clock alone (FAKETIME_DONT_FAKE_MONOTONIC), it still shifts the end of
each sleep on it, so that ``time.sleep`` fails with EINVAL as soon as the clock is wrong (0.9.10).
"""

from __future__ import annotations

import random
import shutil
import subprocess
from email.utils import parsedate_to_datetime
from pathlib import Path
from time import time

from corn_testkit.waiting import wait_for
from tests.chaos.site import PATIENCE, TIMEOUT, Impossible, Site, site

HOUR = 3600
JUMPS = (3, -3, 48, 0, -48, 0)
"""By how many hours the clock is wrong, one after another."""

NEAR = 600
"""Seconds by which a date may differ from what it should be: much less than any jump."""


def clock_jumps(worker: str, home: Path, seed: int, short: bool) -> None:
    """Set the clock of a server under load again and again; nothing happens but that it is told.

    :raises AssertionError: when a worker is blamed or replaced, a request fails, a date is not that
        of the clock, or the log has a word to say.
    :raises Impossible: when there is no C compiler.
    """
    offset = home / "offset"
    _write(offset, 0)
    env = {"LD_PRELOAD": str(library(home)), "CLOCK_OFFSET": str(offset)}
    with site(worker, random.Random(seed), "--keep-alive=30", env=env) as place:
        workers = place.workers()
        said = place.server.log
        for hours in JUMPS[:2] if short else JUMPS:
            _write(offset, hours * HOUR)
            _wait_for_date(place, hours)
            place.hold(TIMEOUT / 4 if short else 2 * TIMEOUT)
            place.served()
        assert place.workers() == workers
        assert place.server.log == said
        failed = place.quiet()
        assert failed == [], failed


def library(home: Path) -> Path:
    """Compile the library, and return its path."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise Impossible("there is no C compiler")
    built = home / "clock.so"
    source = Path(__file__).with_name("clock.c")
    flags = ("-shared", "-fPIC", "-Wall", "-Werror", "-o")
    subprocess.run([compiler, *flags, str(built), str(source), "-ldl"], check=True)
    return built


def _write(path: Path, seconds: int) -> None:
    # In place, and in one piece, because the server has it mapped.
    with open(path, "r+b" if path.exists() else "wb", buffering=0) as file:
        file.write(seconds.to_bytes(8, "little", signed=True))


def _wait_for_date(place: Site, hours: int) -> None:
    """Wait until the server's date is so many hours off."""

    def follows() -> bool:
        told = place.server.request(path="/mirror").header("date")
        assert told is not None
        return abs(parsedate_to_datetime(told).timestamp() - time() - hours * HOUR) < NEAR

    wait_for(follows, "the date to follow", PATIENCE)
