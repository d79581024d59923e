"""A server whose standard error is broken, or is not read any more."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from signal import SIGKILL, SIGTERM

import pytest

from corn_testkit.server import APPS, COMMAND, environment
from corn_testkit.waiting import children, polls, session_members, wait_for


@contextmanager
def running(stderr: int, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server whose standard error is this."""
    variables = {k: v for k, v in environment().items() if k != "PYTHONUNBUFFERED"}
    process = subprocess.Popen(
        [COMMAND, "--bind=127.0.0.1:0", *flags, "probe:app"],
        cwd=APPS,
        env=variables,
        stdin=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for pid in session_members(process.pid):
            os.kill(pid, SIGKILL)
        process.wait()


def other_worker(master: int, than: int = 0) -> int:
    """Wait for a worker that is not this one, and has booted."""

    def booted() -> list[int]:
        return [pid for pid in children(master) if pid != than and polls(pid)]

    return wait_for(booted, "a worker")[0]


@pytest.mark.parametrize("target", ["pipe", "/dev/full"])
def test_workers_are_replaced_when_standard_error_is_broken(target: str) -> None:
    if target == "pipe":
        reading, writing = os.pipe()
        os.close(reading)
    else:
        writing = os.open(target, os.O_WRONLY)
    try:
        with running(writing) as master:
            worker = other_worker(master.pid)
            for _ in range(3):
                os.kill(worker, SIGKILL)
                worker = other_worker(master.pid, worker)
            master.send_signal(SIGTERM)
            assert master.wait(30) == 0
            assert session_members(master.pid) == []
    finally:
        os.close(writing)


def test_a_log_that_is_not_read_does_not_block_the_stop() -> None:
    reading, writing = os.pipe()
    try:
        with running(writing) as master:
            other_worker(master.pid)
            os.set_blocking(writing, False)
            with pytest.raises(BlockingIOError):
                while True:
                    os.write(writing, bytes(4096))
            # The open file is one for all: they are to meet a pipe that blocks.
            os.set_blocking(writing, True)
            master.send_signal(SIGTERM)
            assert master.wait(30) == 0
            assert session_members(master.pid) == []
    finally:
        os.close(reading)
        os.close(writing)
