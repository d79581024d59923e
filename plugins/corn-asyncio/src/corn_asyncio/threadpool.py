"""A pool of threads for jobs that are short as a rule, and long now and then.

To wake a thread costs more than a short job itself, and threads that run at once take the
interpreter from each other. So one thread does the jobs one after another as long as they
prove short. When a job takes longer than ``PATIENCE`` while others wait, another thread is woken;
and while jobs keep proving long, a thread is woken for each.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from threading import Thread
from time import monotonic
from typing import Generic, TypeVar

Job = TypeVar("Job")

PATIENCE = 0.002
"""Seconds for which jobs wait behind a running one before they get a thread of their own."""

EAGER = 0.05
"""Seconds for which every job gets a thread at once, after one has proved long."""

RETRY = 1.0
"""Seconds until a thread is tried again, after the system had no room for one."""


class ThreadPool(Generic[Job]):
    """Threads that call a function for each job, in the order of the jobs as far as they can.

    All methods are for one thread, the owner, which is none of the pool's.

    :param size: the most threads; they are started when they are first needed.
    :param work: called with a job, in one of the threads; it must not raise.
    :param complain: called in the owner's thread with what the system says when it refuses a
        thread; once, until it permits one again. The jobs then wait for the threads that there
        are, and another is tried later.
    """

    def __init__(
        self,
        size: int,
        work: Callable[[Job], None],
        complain: Callable[[RuntimeError], None],
    ) -> None:
        self._size = size
        self._work = work
        self._complain = complain
        self._jobs: deque[Job] = deque()
        # A thread that has nothing to do sleeps on a lock of its own; the last one to fall asleep
        # is the first to be woken, for its memory is in the caches.
        self._idle: list[Callable[[], None]] = []
        self._threads: list[Thread] = []
        self._refused_until = 0.0
        self._closed = False
        self._taken = 0
        self._judged = 0
        self._judging = False
        self._eager_until = 0.0
        self._quiet = allocate_lock()
        self._quiet.acquire()
        self._awaited = False

    # -- the owner's side --------------------------------------------------------------

    def add(self, job: Job) -> None:
        """Put a job into the queue; :meth:`hand_out` then sees to it that it is done."""
        self._jobs.append(job)

    @property
    def waiting(self) -> bool:
        """Tell whether there are jobs that no thread has taken."""
        return bool(self._jobs)

    def hand_out(self, now: float) -> bool:
        """Wake threads for the jobs that wait, as many as is worth it.

        Returns whether :meth:`judge` is to be called in ``PATIENCE`` seconds.
        """
        jobs = self._jobs
        if not jobs:
            return False
        taken = self._taken
        if now < self._eager_until:
            self._wake(len(jobs))
        elif len(self._idle) == len(self._threads):
            self._wake(1)
        if self._judging or not self._has_more():
            return False
        self._judging = True
        self._judged = taken
        return True

    def judge(self) -> bool:
        """Look whether the jobs have proved long; True when it is to be called once more."""
        if self._jobs and self._taken == self._judged:
            # Not one was taken: whatever is running holds up the others.
            self._eager_until = monotonic() + EAGER
            self._wake(len(self._jobs))
        self._judged = self._taken
        self._judging = bool(self._jobs) and self._has_more()
        return self._judging

    def rest(self, seconds: float) -> None:
        """Wait until no job is waiting any more, or for some time.

        The owner and the threads share one interpreter. An owner that looks for more work
        between any two jobs makes both slower; one that waits finds more at once.
        """
        self._awaited = True
        if self._jobs:
            self._quiet.acquire(timeout=seconds)
        self._awaited = False

    def close(self, patience: float = 0.0) -> None:
        """Drop the jobs that no thread has taken, and end the threads.

        A thread that is doing a job ends when the job is done. Call this once, and none of the
        other methods afterwards.

        :param patience: seconds to wait for the threads; those that have not ended by then are
            left to end by themselves.
        """
        # In this order: a thread that finds nothing to do looks at once whether this is the end.
        self._closed = True
        self._jobs.clear()
        try:
            while True:
                self._idle.pop()()
        except IndexError:
            pass  # all are awake
        end = monotonic() + patience
        for thread in self._threads:
            thread.join(max(0.0, end - monotonic()))

    def _has_more(self) -> bool:
        """Tell whether there are threads that could be woken, or started."""
        return bool(self._idle) or len(self._threads) < self._size

    def _wake(self, count: int) -> None:
        for _ in range(count):
            try:
                self._idle.pop()()
            except IndexError:
                if not self._start():
                    return

    def _start(self) -> bool:
        """Start another thread; False when there may not, or can not, be more of them now."""
        if len(self._threads) == self._size or monotonic() < self._refused_until:
            return False
        name = f"corn-app-{len(self._threads) + 1}"
        # Daemons: a worker that is told to quit does not wait for the application.
        thread = Thread(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if not self._refused_until:
                self._complain(error)
            self._refused_until = monotonic() + RETRY
            return False
        self._refused_until = 0.0
        self._threads.append(thread)
        return True

    # -- the threads -------------------------------------------------------------------

    def _run(self) -> None:
        asleep = allocate_lock()
        asleep.acquire()
        wake = asleep.release
        jobs, work = self._jobs, self._work
        while True:
            try:
                job = jobs.popleft()
            except IndexError:
                if self._closed:
                    return
                if self._may_sleep(wake):
                    asleep.acquire()
                continue
            # Threads may lose one of these; it is only compared with itself, some time later.
            self._taken += 1
            work(job)

    def _may_sleep(self, wake: Callable[[], None]) -> bool:
        """Get ready to be woken; False when a job, or the end, has come meanwhile."""
        if self._awaited:
            self._awaited = False
            try:
                self._quiet.release()
            except RuntimeError:
                pass  # another thread has done it at the same moment
        self._idle.append(wake)
        # Only now, when the owner can see that this thread needs to be woken: a job that was
        # added before that must not be left behind.
        if self._jobs or self._closed:
            try:
                self._idle.remove(wake)
            except ValueError:
                return True  # it is being woken, and the lock will not hold it
            return False
        return True
