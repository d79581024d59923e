from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from threading import Thread

import pytest

from corn_core.process.signals import SignalQueue

HANDLED = (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture
def queue() -> Iterator[SignalQueue]:
    with closing(SignalQueue()) as queue:
        queue.install(HANDLED)
        yield queue
        queue.let_go()
        queue.restore()


def is_readable(queue: SignalQueue, patience: float = 0) -> bool:
    return bool(select.select([queue], [], [], patience)[0])


def test_signals_come_out_in_the_order_of_their_arrival(queue: SignalQueue) -> None:
    for number in (signal.SIGTTIN, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
        os.kill(os.getpid(), number)
    assert queue.drain() == [signal.SIGTTIN, signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU]
    assert queue.drain() == []


def test_descriptor_is_readable_while_signals_wait(queue: SignalQueue) -> None:
    assert not is_readable(queue)
    os.kill(os.getpid(), signal.SIGUSR1)
    assert is_readable(queue)
    queue.drain()
    assert not is_readable(queue)


def test_signal_wakes_a_loop_that_is_waiting(queue: SignalQueue) -> None:
    ready, go = os.pipe()

    def send_when_told() -> None:
        os.read(ready, 1)
        os.kill(os.getpid(), signal.SIGHUP)

    sender = Thread(target=send_when_told)
    sender.start()
    os.write(go, b"x")
    assert is_readable(queue, patience=10)
    assert queue.drain() == [signal.SIGHUP]
    sender.join()
    os.close(ready)
    os.close(go)


def test_more_signals_than_the_pipe_holds_are_all_there(queue: SignalQueue) -> None:
    # 65,536 bytes by default on Linux.
    for _ in range(66_000):
        signal.raise_signal(signal.SIGUSR1)
    assert queue.drain() == [signal.SIGUSR1] * 66_000
    assert not is_readable(queue)


def test_exactly_one_read_of_signals(queue: SignalQueue) -> None:
    for _ in range(4096):
        signal.raise_signal(signal.SIGUSR1)
    assert len(queue.drain()) == 4096
    assert not is_readable(queue)


def test_restore_puts_back_what_was_there() -> None:
    def handler(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGUSR1, handler)
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    outer = signal.set_wakeup_fd(write_fd)
    try:
        with closing(SignalQueue()) as queue:
            queue.install([signal.SIGUSR1, signal.SIGUSR2])
            queue.install([signal.SIGUSR1])
            signal.raise_signal(signal.SIGUSR1)
            queue.restore()
            assert queue.drain() == []
        assert signal.getsignal(signal.SIGUSR1) is handler
        assert signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL
        assert signal.set_wakeup_fd(outer) == write_fd
    finally:
        signal.set_wakeup_fd(outer)
        signal.signal(signal.SIGUSR1, before)
        os.close(read_fd)
        os.close(write_fd)


HELD = """
queue.hold()
os.kill(os.getpid(), signal.SIGHUP)
assert queue.drain() == []
queue.let_go()
assert queue.drain() == [signal.SIGHUP]
"""

IN_A_CHILD = """
told, tell = os.pipe()
queue.hold()
pid = os.fork()
if pid == 0:
    os.read(told, 1)  # the signal has been sent, and is pending
    queue.restore()
    queue.close()
    got = []
    signal.signal(signal.SIGTTIN, lambda number, frame: got.append(number))
    queue.let_go()
    assert got == [signal.SIGTTIN]
    os._exit(0)
os.kill(pid, signal.SIGTTIN)
os.write(tell, b"x")
queue.let_go()
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
assert not select.select([queue], [], [], 0)[0]
assert queue.drain() == []
"""


# Signals are held back from one thread. The process of the tests may have others, which then
# get them; that of a master has none.
@pytest.mark.parametrize("story", [HELD, IN_A_CHILD], ids=["held", "child"])
def test_signals_that_are_held_arrive_when_let_go(story: str) -> None:
    code = (
        "import os, select, signal\n"
        "from corn_core.process.signals import SignalQueue\n"
        "queue = SignalQueue()\n"
        f"queue.install([signal.SIGHUP, signal.SIGTTIN])\n{story}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
