"""Tries a step that cannot be undone in a forked child, before this process takes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

_LONGEST = 4096  # PIPE_BUF of Linux: a pipe takes as much without waiting for its reader


def failure_in_child(act: Callable[[], object]) -> str | None:
    """Call a function in a forked child, and return why it failed there.

    Returns None if it returned. This process is unchanged either way, but files that the function
    has written stay written.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _attempt(act, writing)
    os.close(writing)
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        # The child is gone, but a process that it started may have the pipe open still.
        os.set_blocking(reading, False)
        text = _read(reading)
    finally:
        os.close(reading)
    if code == 0:
        return None
    return text or f"the process that tried it died ({_ending(code)})"


def _attempt(act: Callable[[], object], writing: int) -> NoReturn:
    status = 1
    try:
        act()
        status = 0
    except Exception as error:
        # Broad: whatever it is, the parent is to hear of it.
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        os.write(writing, text.encode("utf-8", "backslashreplace")[:_LONGEST])
    finally:
        # Even after a SystemExit, this process must not go on as a second master.
        os._exit(status)


def _read(reading: int) -> str:
    try:
        return os.read(reading, _LONGEST).decode("utf-8", "replace")
    except BlockingIOError:
        return ""


def _ending(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
