"""The master's side of the statsd connection: target address and failure counts."""

from __future__ import annotations

import os
from errno import EAGAIN
from time import monotonic
from typing import TYPE_CHECKING

from corn_core.plugin import UnixAddress
from corn_statsd.board import CELLS, Board
from corn_statsd.resolver import Resolver
from corn_statsd.settings import parse_statsd_address

if TYPE_CHECKING:
    from corn_core.typing import Logger

REPORT_PERIOD = 60.0
"""Seconds between two log lines about lost metrics."""

LOOK_UP_PERIOD = 10.0
"""Seconds between two look-ups of a name while datagrams cannot be sent."""


class Link:
    """The target of one configuration's metrics, and the failures so far.

    It lives in the master; workers only use what it has published.
    """

    def __init__(self, host: str) -> None:
        address = parse_statsd_address(host)
        if isinstance(address, UnixAddress):
            # Absolute, because a process may have changed directory when it connects again.
            address = UnixAddress(os.path.abspath(address.path))
        self.host = host
        self.board = Board()
        self._resolver = Resolver(address)
        self._failures = [0] * CELLS
        self._looked_up_at = self._reported_at = monotonic()
        self._never_reported = True
        target = self._resolver.now()
        if target is not None:
            self.board.publish(target)

    def look(self, cells: int, log: Logger, now: float) -> None:
        """Report failures, and look the name up again while there are some.

        :param cells: how many of the board's cells are in use.
        """
        found = self._resolver.take()
        if found is not None and found != self.board.target():
            self.board.publish(found)
        problem = self._news(cells) or (not self.board.version and self._resolver.problem)
        if not problem:
            return
        if self._resolver.is_name and now - self._looked_up_at >= LOOK_UP_PERIOD:
            self._looked_up_at = now
            self._resolver.start()
        if self._never_reported or now - self._reported_at >= REPORT_PERIOD:
            self._never_reported = False
            self._reported_at = now
            log.warning("Metrics for statsd at %s are lost: %s", self.host, problem)

    def _news(self, cells: int) -> str:
        """Return why datagrams could not be sent since the last call; empty if all were sent."""
        problem = ""
        for cell in range(min(cells, CELLS)):
            count, number = self.board.failures(cell)
            if count != self._failures[cell]:
                self._failures[cell] = count
                problem = "it does not read them" if number == EAGAIN else os.strerror(number)
        return problem
