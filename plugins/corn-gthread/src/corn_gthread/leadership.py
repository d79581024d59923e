"""Decides which thread holds the loop and which call goes to which thread: state, nothing else.

Time is passed in, threads are whatever the driver puts into :attr:`Leadership.idle`, and nothing
here waits, locks or wakes. Methods that need the driver's lock say so.
"""

from __future__ import annotations

from typing import Generic, TypeVar

SUSPECT_FOR = 0.05
"""Seconds for which a slow call makes calls for other paths suspect."""

SUSPECTS = 8
"""The most such calls that are given to other threads, as long as none of them is slow too. To be
given away costs a fast call two switches of threads, about 20 us, and a slow one that is kept holds
up all clients until it is noticed."""

REMEMBER_FOR = 1.0
"""Seconds for which a path is known to be slow, counted anew from each slow call for it."""

REMEMBER = 256
"""The most paths to remember; when there are more, they say nothing."""

Seat = TypeVar("Seat")
Claim = TypeVar("Claim")


class Pace:
    """Tells which calls had better not hold the loop, as far as earlier ones show.

    A path whose last call was slow is expected to be slow again. A slow call for a path that was
    not known for it makes all others suspect for a moment: there may be more of its kind. Changed
    by the loop's holder, or by the thread that takes the loop away while the holder cannot.

    :ivar wary: whether there is anything to be asked; most of the time there is not.
    :ivar suspect_until: the end of the moment, on the monotonic clock.
    """

    __slots__ = ("_last", "_paths", "_suspects", "suspect_until", "wary")

    def __init__(self) -> None:
        self._paths: dict[str, float] = {}
        self._suspects = 0
        self._last = 0.0
        self.suspect_until = 0.0
        self.wary = False

    def note(self, path: str, slow: bool | None, now: float) -> None:
        """Take account of a call that another thread has finished, or is taking over.

        :param slow: None when that cannot be told; the path is then what it was.
        """
        if slow is None:
            return
        if slow:
            self._note_slow(path, now)
            return
        self._paths.pop(path, None)
        if self._suspects:
            self._suspects -= 1

    def _note_slow(self, path: str, now: float) -> None:
        if path not in self._paths:
            self._suspects = SUSPECTS
            self.suspect_until = now + SUSPECT_FOR
            if len(self._paths) >= REMEMBER:
                self._paths.clear()
        self._paths[path] = self._last = now + REMEMBER_FOR
        self.wary = True

    def suspicious(self, path: str, now: float) -> bool:
        """Tell whether a call had better be given to another thread before it begins."""
        if self._paths.get(path, 0.0) > now:
            return True
        if self._suspects and now < self.suspect_until:
            return True
        if now >= self._last:
            self._paths.clear()
            self._suspects = 0
            self.wary = False
        return False


class Leadership(Generic[Seat, Claim]):
    """Keeps account of the holder of the loop, and of the calls and threads beside it.

    One thread holds the loop. It may be inside one call of the application, and while it is,
    the loop can be taken away from it, which leaves it with that call alone.

    The holder enters a call by three steps: its number is ``call + 1``, which goes into ``claims``
    and then into ``call``. To end it, the holder removes the number from ``claims``. If it was
    there, its thread still holds the loop, and ``call`` becomes the number + 1; else the loop was
    taken away, and nothing here is the thread's to change. There are no methods for that because
    it happens with each request: see ``ThreadedDriver.dispatch``.

    :param limit: the calls that may run at once, that of the holder included.
    :ivar call: odd while the holder is inside a call. It never goes back, so that the number a
        call has begun with is also the proof, in the end, that the loop was not taken away.
    :ivar claims: the number of the call, until its end or its loss, whichever comes first: to
        remove it is one step for the interpreter, so only one of two threads can. The value is
        what the caller has to know about a call that is lost.
    :ivar running: calls in threads that do not hold the loop. Only the holder adds to it, or the
        thread that takes the loop away while the holder cannot, so the holder may compare it
        unlocked.
    :ivar idle: threads that wait for something to do.
    """

    __slots__ = ("call", "claims", "idle", "limit", "pace", "running")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.call = 0
        self.claims: dict[int, Claim] = {}
        self.running = 0
        self.idle: list[Seat] = []
        self.pace = Pace()

    # -- the holder ------------------------------------------------------------------

    def engage(self) -> bool:
        """Reserve a place for one more call in another thread. Needs the lock."""
        if self.running >= self.limit:
            return False
        self.running += 1
        return True

    # -- other threads ---------------------------------------------------------------

    def depose(self, number: int) -> bool:
        """Take the loop from a holder that is inside this call. Needs the lock.

        From then on the call counts as one of a thread that does not hold the loop. If this returns
        True, the caller has to give the loop to another thread.
        """
        try:
            del self.claims[number]
        except KeyError:
            return False
        self.call = number + 1
        self.running += 1
        return True

    def rest(self, seat: Seat) -> None:
        """Note that a thread has ended its call and has no other. Needs the lock."""
        self.running -= 1
        self.idle.append(seat)
