"""Shares connections with the other workers, where an event loop waits for new ones.

A connection that is kept stays with the worker that accepted it, for all of its requests. A new
one wakes every worker that has nothing else to do, and the first to run could take a whole burst of
them before another is scheduled. So a worker that has clearly more connections than another one
leaves those that wait to the others for a moment, and takes them if they wait for too many moments.
"""

from __future__ import annotations

from corn_core.interfaces import Slot

FIRST, LAST = 0.001, 0.032
"""Seconds of the first moment and of the last; each is twice as long as the one before. Together
they are longer than it takes to schedule an idle worker on a busy machine. A worker with many
requests to answer takes longer, but then the moments are longer too: they end when the loop has
been round."""

GRANT = 4
"""Connections that a worker takes out of turn when the last moment is over, and twice as many the
next time: the others may be slow, or one of them stuck in a call, and new clients must not wait for
that."""

FRESH = 2.0
"""Seconds after its last sign of life in which a worker is expected to accept."""

ANY = 2**63
"""More requests than any worker has in flight: however many there are, it accepts."""


def outweighs(held: int, fewest: int, threads: int = 0) -> bool:
    """Tell whether a worker has so many more connections than another that it leaves it the next.

    :param fewest: the fewest that any other worker holds, which could take one.
    :param threads: the requests that a worker can have in the application at once, when all of them
        may wait there.
    """
    if fewest < threads <= held:
        # The other is sure to have a thread for the next client, and this one is not.
        return True
    return held > fewest + 1 + fewest // 8


class Balance:
    """Decides when a worker leaves new connections to the others.

    :param slot: where workers say how many connections they hold.
    """

    def __init__(self, slot: Slot) -> None:
        self._slot = slot
        self._peers: list[int] = []
        self._moment = FIRST
        self._granted = 0

    def meet(self) -> None:
        """Find out who the others are; now and then, because they come and go."""
        self._peers = self._slot.peers()

    def has_turn(self, held: int, now: float) -> bool:
        """Tell whether the next connection is for this worker.

        :param held: how many it has; the others are told, too.
        """
        if not self._peers:
            return True
        self._slot.set_connections(held)
        fewest = self._slot.fewest_connections(self._peers, ANY, now - FRESH)
        if fewest is None or not outweighs(held, fewest):
            self._moment = FIRST
            self._granted = 0
            return True
        return not outweighs(held - self._granted, fewest)

    def moment(self) -> float:
        """Return for how many seconds to leave the connections that wait to the others."""
        moment = self._moment
        if moment < LAST:
            self._moment = moment * 2
        else:
            self._moment = FIRST
            self._granted = GRANT + 2 * self._granted
        return moment
