"""Who holds the loop, and which call goes to which thread: the state, and nothing else.

Time is passed in, threads are whatever the driver puts into :attr:`Leadership.idle`, and nothing
here waits, locks or wakes. Methods that need the driver's lock say so.
"""

from __future__ import annotations

from typing import Generic, TypeVar

SLOW = 0.002
"""Seconds in the application after which a call is slow, and should not hold the loop."""

SLOW_FOR = 0.05
"""Seconds for which one slow call makes others suspect."""

SUSPECTS = 8
"""Calls after a slow one that are given to other threads at once, as long as none of them is slow
too. To be given away costs a fast call two switches of threads, about 20 us, and keeping a slow
one holds up everybody until it is noticed: so it pays while one call in a few dozen is slow."""

Seat = TypeVar("Seat")


class Pace:
    """Whether calls have proved slow of late; changed by the loop's holder or for it.

    :ivar suspects: how many calls are still to be given away unseen.
    :ivar slow_until: until when, on the monotonic clock.
    """

    __slots__ = ("slow_until", "suspects")

    def __init__(self) -> None:
        self.suspects = 0
        self.slow_until = 0.0

    def note(self, slow: bool, now: float) -> None:
        """Take account of a call that another thread has finished, or took over."""
        if slow:
            self.suspects = SUSPECTS
            self.slow_until = now + SLOW_FOR
        elif self.suspects:
            self.suspects -= 1

    def suspicious(self, now: float) -> bool:
        """Whether the next call had better be given to another thread."""
        if self.suspects and now >= self.slow_until:
            self.suspects = 0
        return self.suspects > 0


class Leadership(Generic[Seat]):
    """The holder of the loop, and the calls and threads beside it.

    One thread holds the loop. It may be inside one call of the application, and while it is,
    the loop can be taken away from it, which leaves it with that call alone.

    :param limit: the calls that may run at once, that of the holder included.
    :ivar call: odd while the holder is inside a call. It never goes back, so that the number a
        call has begun with is also the proof, in the end, that the loop was not taken away.
    :ivar running: calls in threads that do not hold the loop. Only the holder adds to it, or who
        takes the loop away while the holder cannot, so the holder may compare it unlocked.
    :ivar idle: threads that wait for something to do.
    """

    __slots__ = ("call", "idle", "limit", "pace", "running")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.call = 0
        self.running = 0
        self.idle: list[Seat] = []
        self.pace = Pace()

    # -- the holder ------------------------------------------------------------------

    def begin(self) -> int:
        """The holder enters a call: the number to end it with."""
        self.call = number = self.call + 1
        return number

    def end(self, number: int) -> bool:
        """With the lock: the call is over. Whether its thread still holds the loop."""
        if self.call != number:
            return False
        self.call = number + 1
        return True

    def engage(self) -> bool:
        """With the lock: reserve the place of one more call, for another thread."""
        if self.running >= self.limit:
            return False
        self.running += 1
        return True

    # -- other threads ---------------------------------------------------------------

    def overdue(self, seen: int) -> bool:
        """Whether the holder still is in the call in which it was seen before."""
        return self.call == seen and seen & 1 == 1

    def depose(self, number: int) -> bool:
        """With the lock: take the loop from a holder that is inside this call.

        From then on the call counts as one of a thread that does not hold the loop. The caller
        has to see that another thread does.
        """
        if not self.overdue(number):
            return False
        self.call = number + 1
        self.running += 1
        return True

    def rest(self, seat: Seat) -> None:
        """With the lock: a thread has ended its call and has no other."""
        self.running -= 1
        self.idle.append(seat)
