"""An event for threads of the operating system, in a process that may know no others."""

from __future__ import annotations

# Taken now, before a worker class replaces what the module has. threading.Event makes a lock
# for each wait; with gevent's the thread would get a hub, in which it has been seen to get stuck.
from _thread import allocate_lock
from threading import Event


class NativeEvent(Event):
    """Like its base, which code that is given one may know it by; but it is set only once."""

    def __init__(self) -> None:
        # The base has nothing to add: the lock is held as long as the event is not set.
        self._held = allocate_lock()
        self._held.acquire()
        self._is_set = False

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        if not self._is_set:
            self._is_set = True
            self._held.release()

    def clear(self) -> None:
        raise NotImplementedError("this event is set once and for all")

    def wait(self, timeout: float | None = None) -> bool:
        if self._held.acquire(timeout=-1 if timeout is None else timeout):
            self._held.release()
        return self._is_set
