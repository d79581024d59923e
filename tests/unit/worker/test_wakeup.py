"""Wake the loop of a worker by a signal, whatever owns the process's wake-up descriptor."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOOP = """
import os, select, signal, socket, types
from corn_core.worker.signals import SignalHandlers
from corn_core.worker.wakeup import Wakeup

worker = types.SimpleNamespace(alive=True, booted=True, refuse_clients=lambda: None)
worker.wakeup = Wakeup()
handlers = SignalHandlers(worker, 2)
signal.signal(signal.SIGTERM, handlers.on_term)
{beginning}
os.kill(os.getpid(), signal.SIGTERM)
readable = select.select([worker.wakeup.fd], [], [], 30)[0]
print(worker.alive, readable == [worker.wakeup.fd])
worker.wakeup.clear()
print(select.select([worker.wakeup.fd], [], [], 0)[0])
"""

# What a library does whose loop is woken by a descriptor of its own.
FOREIGN = """
worker.wakeup.release()
ours, theirs = socket.socketpair()
theirs.setblocking(False)
assert signal.set_wakeup_fd(theirs.fileno()) == -1, "it would warn of a collision"
"""


@pytest.mark.parametrize("beginning", ["", FOREIGN], ids=["own", "released"])
def test_term_makes_it_readable(beginning: str) -> None:
    code = LOOP.format(beginning=beginning)
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60)
    assert printed.splitlines() == ["False True", "[]"]


def test_full_pipe_does_not_block() -> None:
    code = (
        "import select\n"
        "from corn_core.worker.wakeup import Wakeup\n"
        "wakeup = Wakeup()\n"
        "for _ in range(70_000):\n    wakeup.wake()\n"
        "print(select.select([wakeup.fd], [], [], 0)[0] == [wakeup.fd])\n"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, timeout=60)
    assert printed == "True\n"
