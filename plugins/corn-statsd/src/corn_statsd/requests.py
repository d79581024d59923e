"""The metrics of requests, one datagram per request."""

from __future__ import annotations

from corn_core.typing import Response
from corn_statsd.client import StatsdClient

_MARK = "\0"


class RequestMeter:
    """Counts and times the requests of a worker.

    The lines of a request differ only in two numbers. The client makes the rest once per status,
    because this runs for every request.
    """

    def __init__(self, client: StatsdClient) -> None:
        self._client = client
        self._send = client.transport.send
        duration = client.line("corn.request.duration", f"{_MARK}|ms")
        self._duration, _, self._end = duration.partition(_MARK)
        self._counters: dict[str, str] = {}

    def answered(self, resp: Response) -> None:
        status = resp.status[:3] if resp is not None else ""
        counters = self._counters.get(status) or self._count(status)
        milliseconds = resp.duration * 1000.0 if resp is not None else 0.0
        self._send(f"{counters}\n{self._duration}{milliseconds:.3f}{self._end}".encode())

    def refused(self, resp: Response) -> None:
        # It never reached the application, so it has no meaningful duration.
        status = resp.status[:3]
        self._send((self._counters.get(status) or self._count(status)).encode())

    def _count(self, status: str) -> str:
        """Format the counters of a request with that status."""
        line = self._client.line
        counters = line("corn.requests", "1|c")
        if status.isascii() and status.isdigit():
            counters += "\n" + line(f"corn.request.status.{status}", "1|c")
        # A status has three characters at most, so applications cannot make this grow forever.
        self._counters[status] = counters
        return counters
