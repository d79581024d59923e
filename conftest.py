"""What holds for all tests of the repository, those of the plugins too."""

from __future__ import annotations

import compileall
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_core.logs.handlers import add_none, let_add
from corn_core.logs.logconfig import take_back
from tests import fuzzing

fuzzing.load()

# A shell starts a job in the background with SIGINT ignored, and the servers that tests start and
# interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


ROOT = Path(__file__).parent


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the sources, because servers under test write no bytecode.

    Without that, each of some thousand processes would compile what has changed, or all of it.
    """
    if not hasattr(session.config, "workerinput"):  # not in each process of pytest-xdist
        for sources in (ROOT / "corn_core", *ROOT.glob("plugins/*/src")):
            compileall.compile_dir(sources, quiet=2)


LONG = {"test_chaos.py", "test_conformance.py"}
"""Modules with tests that take most of a minute on a busy machine."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin long tests in the first half of a run, or all others would have to wait for the last.

    pytest-xdist gives each process a part of the list, in one piece. In each the long ones begin at
    other times, because all at once would be more than most machines have processors for.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    long = [item for item in items if item.path.name in LONG]
    items[:] = [item for item in items if item.path.name not in LONG]
    size = len(items) // processes
    places = [
        (number % processes * size + number * size // (2 * len(long)), item)
        for number, item in enumerate(long)
    ]
    # The last first, which leaves the places before it as they are.
    for place, item in sorted(places, key=lambda each: each[0], reverse=True):
        items.insert(place, item)


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Our loggers, as at the start of a process; and again afterwards.

    There is one set of them in a process, and a server sets them up as its configuration says.
    """
    logs = [logging.getLogger(name) for name in ("corn", "corn.error", "corn.access")]

    def clear() -> None:
        let_add(add_none)
        for handler in take_back():
            handler.close()
        for log in logs:
            for handler in log.handlers[:]:
                log.removeHandler(handler)
                handler.close()
            log.filters.clear()
            log.setLevel(logging.NOTSET)
            log.propagate = True
            log.disabled = False

    clear()
    yield
    clear()
