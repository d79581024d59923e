"""End a worker whose order to leave was lost, and let nothing of that strike its very end."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import signal
from types import SimpleNamespace
from corn_core.errors import WorkerQuit
from corn_core.worker.signals import SignalHandlers

handlers = SignalHandlers(None, 2)
handlers.on_unraisable(SimpleNamespace(exc_value=WorkerQuit(7)))
assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
{leave}
assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
"""


def outcome(leave: str) -> int:
    # In a process of its own, because it changes how this one would end.
    return subprocess.run([sys.executable, "-c", PROGRAM.format(leave=leave)]).returncode


def test_order_that_was_lost_is_given_once_more() -> None:
    assert outcome("signal.pause()") == 7


def test_nothing_is_due_after_the_worker_has_left_by_itself() -> None:
    assert outcome("handlers.retire()") == 0
