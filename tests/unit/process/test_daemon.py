"""The launcher's side of a daemon's start."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from corn_core.process.daemon import read_numbers
from corn_testkit.waiting import DEADLINE, wait_for


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A process in the place of the server, which waits until it is stopped."""
    program = "import signal; print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


@pytest.fixture
def interruptible() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt_main_thread() -> None:
    """Send a Ctrl-C, as soon as it would not end the tests."""
    wait_for(lambda: signal.getsignal(signal.SIGINT) is not signal.default_int_handler, "a handler")
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGINT)


@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize("early", [True, False], ids=["before the pid", "after the pid"])
def test_ctrl_c_stops_the_server(server: subprocess.Popen[bytes], early: bool) -> None:
    reading, writing = os.pipe()

    def say_pid() -> None:
        os.write(writing, b"%d\n" % server.pid)

    def tell() -> None:
        for step in (interrupt_main_thread, say_pid) if early else (say_pid, interrupt_main_thread):
            step()
        assert server.wait(DEADLINE) == -signal.SIGTERM
        os.write(writing, b"1\n")
        os.close(writing)

    teller = threading.Thread(target=tell)
    teller.start()
    assert read_numbers(reading) == [server.pid, 1]
    teller.join()


def test_ctrl_c_that_is_ignored_stays_so() -> None:
    """As in the background of a shell without job control."""
    reading, writing = os.pipe()
    os.close(writing)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert read_numbers(reading) == []
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
