"""Keeps the threads, and wakes them."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import Lock, Thread
from time import monotonic
from typing import Any

from corn_gthread.usage import Meter


class Seat:
    """The place of one thread, where it waits and is given something to do.

    :ivar meter: the thread's clocks; made by the thread before it does anything else.
    """

    __slots__ = ("_gate", "_task", "meter", "thread")

    meter: Meter

    def __init__(self) -> None:
        self._gate = Lock()
        self._gate.acquire()
        self._task: Any = None
        self.thread: Thread | None = None

    def assign(self, task: object) -> None:
        """Let the thread go on. Call this only while it waits or is about to."""
        self._task = task
        self._gate.release()

    def next(self) -> Any:
        """Wait for a task."""
        self._gate.acquire()
        task, self._task = self._task, None
        return task


class Crew:
    """The threads of a worker, which are started when they are first needed.

    :param most: how many there may be.
    :param work: what each of them runs, with its seat.
    :param complain: called with what the system says when it refuses a thread; once, until it
        permits one again.
    """

    def __init__(
        self,
        most: int,
        work: Callable[[Seat], None],
        complain: Callable[[RuntimeError], None],
    ) -> None:
        self.most = most
        self.seats: list[Seat] = []
        self._work = work
        self._complain = complain
        self._refused = False

    def recruit(self) -> Seat | None:
        """Start a thread, which waits. Returns None when there may be no more of them."""
        if len(self.seats) >= self.most:
            return None
        seat = Seat()
        # A daemon, because one that is stuck in the application must not keep the process.
        name = f"corn-{len(self.seats) + 1}"
        thread = Thread(target=self._work, args=(seat,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            # "can't start new thread": a limit on processes or memory. The others go on.
            if not self._refused:
                self._complain(error)
            self._refused = True
            return None
        self._refused = False
        seat.thread = thread
        self.seats.append(seat)
        return seat

    def join(self, patience: float) -> bool:
        """Wait so many seconds for all threads to end. Returns whether all have."""
        deadline = monotonic() + patience
        for seat in self.seats:
            if seat.thread is not None:
                seat.thread.join(max(0.0, deadline - monotonic()))
        return not any(seat.thread is not None and seat.thread.is_alive() for seat in self.seats)

    def close(self) -> None:
        """Close what the threads have left open. Call this when all have ended."""
        for seat in self.seats:
            seat.meter.close()


class Doorbell:
    """A pipe that wakes a thread from its poller."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)

    def ring(self) -> None:
        """Wake the thread, or keep it from falling asleep."""
        try:
            os.write(self._write_fd, b"!")
        except BlockingIOError:
            # Full: it has been rung often enough.
            return

    def clear(self) -> None:
        try:
            os.read(self.fd, 4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._write_fd)
