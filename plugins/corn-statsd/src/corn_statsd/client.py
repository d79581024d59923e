"""The client of the ``statsd`` package, on a transport of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from statsd.client.base import StatsClientBase
from statsd.client.udp import Pipeline

if TYPE_CHECKING:
    from corn_statsd.transport import Transport

MAX_PACKET = 1432
"""Bytes of a datagram that crosses an Ethernet in one piece, which is what servers advise."""

# Colon, bar, at sign and the end of a line mean something to the protocol; the other characters
# are those that the statsd server itself removes from names.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


def sanitised(name: str) -> str:
    """A name that every statsd server takes as it is."""
    return _NOT_IN_NAMES.sub("_", name)


class _Lines(StatsClientBase):  # type: ignore[misc]  # the package has no types
    """Makes lines of metrics with names that are safe, and with tags."""

    _tags = ""

    def _prepare(self, stat: str, value: str, rate: float) -> str | None:
        line: str | None = super()._prepare(sanitised(stat), value, rate)
        return f"{line}{self._tags}" if line else line


class _Packet(_Lines, Pipeline):  # type: ignore[misc]  # see above
    """Collects lines, and sends them in as few datagrams as they fit in."""

    def __init__(self, client: Any) -> None:
        super().__init__(client)
        self._tags = client._tags


class StatsdClient(_Lines):
    """All that the client of the package can do, in one process.

    :param transport: sends datagrams; it never waits, and what it cannot send is lost.
    :param prefix: the beginning of all names; the dot after it may be missing.
    :param tags: for all metrics, in Datadog's form; none with a bar or the end of a line.
    """

    def __init__(self, transport: Transport, prefix: str = "", tags: str = "") -> None:
        self.transport = transport
        self._prefix = sanitised(prefix).strip(".")
        self._tags = f"|#{tags}" if tags else ""
        self._maxudpsize = MAX_PACKET

    def line(self, name: str, value: str) -> str:
        """The text of one metric; ``value`` with its type, such as ``1|c``."""
        line = self._prepare(name, value, 1)
        assert line is not None  # None is for lines that a sampling rate leaves out
        return line

    def pipeline(self) -> _Packet:
        """Collects metrics, in a ``with`` statement, and sends them together at its end."""
        return _Packet(self)

    def close(self) -> None:
        self.transport.close()

    def _send(self, data: str) -> None:
        self.transport.send(data.encode())
