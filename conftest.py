"""What holds for all tests of the repository, those of the plugins too."""

from __future__ import annotations

import compileall
import logging
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
