"""Watches the call that the loop's holder is in."""

from __future__ import annotations

from time import monotonic

from corn_gthread.usage import Began, Meter, Sight, Verdict, judge


class Watch:
    """Looks at calls again and again, and decides about those that stay.

    :ivar first: when the present call was looked at first.
    """

    def __init__(self) -> None:
        self._call = 0
        self._naps = 0.0
        self._ran_first = self._ran_last = 0.0
        self.first = Began.now()

    def look(self, call: int, meter: Meter, nap: float) -> Verdict:
        """Look at the call with this number, ``nap`` seconds after the last look or later.

        :param meter: that of the thread which is in the call.
        """
        ran = meter.ran()
        if call != self._call:
            self._call = call
            self._naps = 0.0
            self._ran_first = self._ran_last = ran
            self.first = Began.now()
            return Verdict.KEEP
        self._naps += nap
        sight = Sight(
            lasts=monotonic() - self.first.at,
            ran=ran - self._ran_first,
            naps=self._naps,
            ran_lately=ran - self._ran_last,
            nap=nap,
        )
        self._ran_last = ran
        return judge(sight, meter.runnable)
