"""An event for real threads, even in a process whose threading module has been patched."""

from __future__ import annotations

# Imported now, before a worker class patches the module. threading.Event makes a lock for each
# wait; gevent's lock would give the thread a hub of its own, where it has been seen to hang.
from _thread import allocate_lock
from threading import Event


class NativeEvent(Event):
    """An event that can be set only once; its base class lets callers treat it as any Event."""

    def __init__(self) -> None:
        # The base is not initialised: the lock is all the state, held until the event is set.
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
