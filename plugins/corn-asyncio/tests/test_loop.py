"""An event loop is made as a whole, whatever signal comes meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from corn_asyncio.loop import new_event_loop
from corn_core.worker import WorkerQuit


def leave(number: int, frame: object) -> None:
    raise WorkerQuit(0)


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    """Leave on TERM, as a worker does that has not booted."""
    before = signal.signal(signal.SIGTERM, leave)
    yield
    signal.signal(signal.SIGTERM, before)


def test_loop_can_run() -> None:
    loop = new_event_loop()
    assert loop.run_until_complete(asyncio.sleep(0, "ran")) == "ran"
    loop.close()


def test_signal_waits_until_the_loop_is_made_and_closes_it() -> None:
    made = []

    def make() -> asyncio.AbstractEventLoop:
        os.kill(os.getpid(), signal.SIGTERM)
        made.append(asyncio.new_event_loop())
        return made[0]

    with pytest.raises(WorkerQuit):
        new_event_loop(make)
    assert made[0].is_closed()


def test_failure_is_told_as_it_is() -> None:
    def fail() -> asyncio.AbstractEventLoop:
        raise OSError("too many open files")

    with pytest.raises(OSError, match="too many open files"):
        new_event_loop(fail)
