"""Decides how a worker with threads shares connections with the other workers.

A connection that is kept stays with the worker that accepted it, for all of its requests. The
kernel wakes whichever worker comes first in its queue, and a worker that is awake may take a whole
burst of connections before another one is scheduled. So a worker leaves the queue for new
connections while another one would serve them sooner: while its threads are all taken and another's
are not, or when it has clearly more connections. It comes back when that has changed.

It may be wrong about the others, which may just have been stopped. So it takes connections that
stay in the queue all the same.

The decisions are not those of ``corn_core.serving.balance``, because here it depends on threads how
soon a client is served, and a worker without one to spare comes back when it has one.
"""

from __future__ import annotations

from enum import Enum, auto

from corn_core.typing import Slot
from corn_core.worker import FOREVER, FRESH, outweighs

FIRST_LOOK, LAST_LOOK = 0.001, 0.128
"""Seconds after which a worker that has left looks at the others again: soon, because in a burst
they catch up in no time, and then twice as long each time. If the others become busy meanwhile, a
new client waits for as long as the last."""

PATIENCE = 8
"""Looks in a row at which there have to be new connections before a worker takes what others should
have taken: a quarter of a second. It happens when those stand still and have just begun to."""

SHORT = 0.01
"""Seconds for which a worker may be in calls with all of its threads and still count as one that
could take a connection: it answers requests one by one, fast."""


class Stand(Enum):
    """Says whether a worker accepts from the queue of new connections."""

    IN = auto()
    OUT = auto()
    ONCE = auto()
    """take those that wait now, and stay out"""


class Balance:
    """Decides when this worker stays out of the queue for new connections.

    :param slot: where workers say how many connections they hold.
    :param threads: the requests in flight at which a worker is not expected to accept.
    :ivar look_at: when to look at the others again; never, while this worker is in the queue.
    """

    def __init__(self, slot: Slot, threads: int) -> None:
        self._slot = slot
        self._threads = threads
        self._wait = FIRST_LOOK
        self._left_lying = 0
        self.look_at = FOREVER

    def has_peers(self) -> bool:
        """Tell whether there are other workers."""
        return bool(self._slot.peers())

    def others_could(self, now: float) -> bool:
        """Tell whether another worker could serve a new client at once."""
        return self._fewest(now) is not None

    def stands(self, held: int, full: bool, now: float, waiting: bool = False) -> Stand:
        """Decide whether to be in the queue, as things are now.

        :param held: the connections of this worker.
        :param full: whether all its threads are taken.
        :param waiting: whether it has left the queue and there are new connections in it.
        """
        fewest = self._fewest(now) if full or held else None
        if fewest is None or not (full or outweighs(held, fewest, self._threads)):
            self._wait = FIRST_LOOK
            self._left_lying = 0
            self.look_at = FOREVER
            return Stand.IN
        if full or not waiting:
            # Without a thread to spare it would only make them wait for something else.
            self._left_lying = 0
        else:
            if not self._left_lying:
                # They may have come just now. Look closely.
                self._wait = FIRST_LOOK
            self._left_lying += 1
        once = self._left_lying > PATIENCE
        if once:
            self._left_lying = 0
        self.look_at = now + self._wait
        self._wait = min(LAST_LOOK, self._wait * 2)
        return Stand.ONCE if once else Stand.OUT

    def _fewest(self, now: float) -> int | None:
        peers = self._slot.peers()
        if not peers:
            return None
        return self._slot.fewest_connections(peers, self._threads, now - FRESH, now - SHORT)
