"""Reads the messages of workers, which each sends line by line over a pipe of its own.

A message begins with :data:`~corn_core.worker.base.MARK` and ends with the line; anything without
the mark belongs to a dump that faulthandler wrote. A message is one of the words in
:class:`Notice`, or ``failed`` and a JSON object with the fields of :class:`Failure`.
"""

from __future__ import annotations

import json
import os
from enum import Enum
from typing import NamedTuple

from corn_core.worker.base import MARK

DUMP_LINES = 2000
"""Lines of a dump that are kept: a worker with hundreds of threads must not fill the log."""

_CHUNK = 65536


class Notice(Enum):
    """A message of one word."""

    READY = b"ready"
    """The worker serves."""
    RETIRING = b"retiring"
    """It has served ``max_requests`` and wants a replacement."""
    OUTDATED = b"outdated"
    """Its code has changed: all workers should be replaced."""


class Failure(NamedTuple):
    """A worker could not boot; ``status`` is the exit status that says in which way."""

    message: str
    status: int = 3
    details: str = ""


Message = Notice | Failure


class WorkerPipe:
    """The master's end of one worker's pipe.

    :ivar ended: True once no process can write to the pipe any more.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        os.set_blocking(fd, False)
        self._rest = b""
        self._dump: list[str] = []
        self.ended = False

    def fileno(self) -> int:
        return self._fd

    def read(self) -> list[Message]:
        """Return all messages that have arrived; never waits."""
        while not self.ended:
            try:
                data = os.read(self._fd, _CHUNK)
            except BlockingIOError:
                break
            self._rest += data
            self.ended = not data
        lines = self._rest.split(b"\n")
        # A line that its writer did not live to finish still counts as one.
        self._rest = lines.pop() if not self.ended else b""
        messages = (self._take(line) for line in lines)
        return [message for message in messages if message is not None]

    def take_dump(self) -> str:
        """Return the stacks that have arrived since the last call; empty when none have."""
        dump, self._dump = self._dump, []
        return "\n".join(dump).strip("\n")

    def close(self) -> None:
        os.close(self._fd)

    def _take(self, line: bytes) -> Message | None:
        # A thread may write its message while another one is in the middle of a dump's line.
        dumped, mark, text = line.partition(MARK)
        message = _understand(text) if mark else None
        if (dumped or message is None) and len(self._dump) < DUMP_LINES:
            kept = dumped if message is not None else line
            self._dump.append(kept.decode(errors="backslashreplace"))
        return message


def _understand(text: bytes) -> Message | None:
    word, _, argument = text.partition(b" ")
    if word == b"failed":
        return _failure(argument)
    return next((notice for notice in Notice if notice.value == text), None)


def _failure(text: bytes) -> Failure:
    try:
        report = json.loads(text)
        return Failure(str(report["message"]), int(report["status"]), str(report["details"]))
    except (ValueError, KeyError, TypeError):
        # The worker died while it was writing. What it did say is better than nothing.
        return Failure(text.decode(errors="backslashreplace"))
