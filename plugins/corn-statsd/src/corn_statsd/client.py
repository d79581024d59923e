"""The client of the ``statsd`` package, on our own transport."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from statsd.client.base import StatsClientBase
from statsd.client.udp import Pipeline

from corn_statsd.settings import OURS

if TYPE_CHECKING:
    from corn_statsd.transport import Transport

MAX_PACKET = 1432
"""The most bytes of a datagram that crosses an Ethernet in one piece, as servers recommend."""

# The colon, the bar, the at sign and the line end have a meaning in the protocol. The statsd
# server itself removes the other characters from names.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


def sanitised(name: str) -> str:
    """Turn a name into one that every statsd server accepts unchanged."""
    return _NOT_IN_NAMES.sub("_", name)


class _Lines(StatsClientBase):  # type: ignore[misc]  # the package has no types
    """Formats metrics as lines, with safe names and tags."""

    _tags = ""
    _names = OURS

    def _prepare(self, stat: str, value: str, rate: float) -> str | None:
        if self._names != OURS and stat.startswith(f"{OURS}."):
            stat = self._names + stat.removeprefix(OURS)
        line: str | None = super()._prepare(sanitised(stat), value, rate)
        return f"{line}{self._tags}" if line else line


class _Packet(_Lines, Pipeline):  # type: ignore[misc]  # see above
    """Collects lines, and sends them in as few datagrams as possible."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self._tags = client._tags
        self._names = client._names


class StatsdClient(_Lines):
    """The package's client with all its methods, for one process.

    :param transport: sends datagrams; it never waits, and drops what it cannot send.
    :param prefix: the beginning of all names, with or without the dot after it.
    :param tags: for all metrics, in Datadog's format, without bars or line ends.
    :param names: the word that takes the place of ``corn`` in names.
    """

    def __init__(
        self, transport: Transport, prefix: str = "", tags: str = "", names: str = OURS
    ) -> None:
        self.transport = transport
        self._prefix = sanitised(prefix).strip(".")
        self._tags = f"|#{tags}" if tags else ""
        self._names = names
        self._maxudpsize = MAX_PACKET

    def line(self, name: str, value: str) -> str:
        """Format one metric; ``value`` includes its type, such as ``1|c``."""
        line = self._prepare(name, value, 1)
        assert line is not None  # None would mean that a sampling rate leaves the line out
        return line

    def pipeline(self) -> _Packet:
        """Collect metrics in a ``with`` statement, and send them together at its end."""
        return _Packet(self)

    def close(self) -> None:
        self.transport.close()

    def _send(self, data: str) -> None:
        self.transport.send(data.encode())
