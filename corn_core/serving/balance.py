"""Sharing connections with the other workers, where an event loop waits for new ones.

A connection that is kept stays with the worker that accepted it, for all of its requests. A new
one wakes every worker that has nothing else to do, and the first to run could take a whole burst of
them before another is scheduled. So a worker that has clearly more connections than another one
leaves those that wait to the others for a moment, and takes them if they wait for too many moments.
"""

from __future__ import annotations

from corn_core.interfaces import Slot

FIRST, LAST = 0.001, 0.032
"""Seconds of the first moment and of the last; each is twice as long as the one before. Together
they are more than it takes for an idle worker to be scheduled on a busy machine. A worker with many
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


def outweighs(held: int, fewest: int) -> bool:
    """Whether a worker has so many more connections than another that it leaves it the next.

    :param fewest: the fewest that any other worker holds, which could take one.
    """
    return held > fewest + 1 + fewest // 8


class Balance:
    """When a worker leaves new connections to the others.

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
        """Whether the next connection is for this worker.

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
        """How many seconds to leave the connections that wait to the others."""
        moment = self._moment
        if moment < LAST:
            self._moment = moment * 2
        else:
            self._moment = FIRST
            self._granted = GRANT + 2 * self._granted
        return moment
