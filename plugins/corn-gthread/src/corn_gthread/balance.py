"""Sharing connections with the other workers.

A connection that is kept stays with the worker that accepted it, for all of its requests. The
kernel wakes whichever worker comes first in its queue, and a worker that is awake may take a whole
burst of connections before another one is scheduled. So a worker that has clearly more than another
one could take leaves the queue, and comes back when that has changed.
"""

from __future__ import annotations

from corn_core.interfaces import Slot
from corn_core.serving.connection import FOREVER

FIRST_LOOK, LAST_LOOK = 0.001, 0.128
"""Seconds after which a worker that has left looks at the others again: soon, for in a burst they
catch up in no time, and then twice as long each time. If the others become busy meanwhile, a new
client waits for as long as the last."""

FRESH = 2.0
"""Seconds after its last sign of life in which a worker is expected to accept."""


def outweighs(held: int, fewest: int | None) -> bool:
    """Whether a worker has so many more connections than another that it should leave it the next.

    :param fewest: the fewest that any other worker holds, which could take one.
    """
    return fewest is not None and held > fewest + 1 + fewest // 8


class Balance:
    """When this worker stays out of the queue for new connections.

    :param slot: where workers say how many connections they hold.
    :param busy: the requests in flight at which a worker is not expected to accept.
    :ivar look_at: when to look at the others again; never, while this worker is in the queue.
    """

    def __init__(self, slot: Slot, busy: int) -> None:
        self._slot = slot
        self._busy = busy
        self._peers: list[int] = []
        self._wait = FIRST_LOOK
        self.look_at = FOREVER

    def meet(self) -> None:
        """Find out who the others are; now and then, for they come and go."""
        self._peers = self._slot.peers()

    def may_accept(self, held: int, now: float) -> bool:
        """Whether to be in the queue, as things are now."""
        if not self._peers or not outweighs(held, self._fewest(now)):
            self._wait = FIRST_LOOK
            self.look_at = FOREVER
            return True
        self.look_at = now + self._wait
        self._wait = min(LAST_LOOK, self._wait * 2)
        return False

    def _fewest(self, now: float) -> int | None:
        return self._slot.fewest_connections(self._peers, self._busy, now - FRESH)
