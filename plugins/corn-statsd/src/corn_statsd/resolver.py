"""Resolves the configured address to one that datagrams can be sent to."""

from __future__ import annotations

import socket
from threading import Thread

from corn_core.plugin import AbstractAddress, TcpAddress, UnixAddress
from corn_statsd.board import Target
from corn_statsd.settings import Address

PATIENCE = 2.0
"""Seconds that a start waits for a name to be looked up before it goes on without."""


class Resolver:
    """Looks up the name of a statsd server whenever it is told to.

    This happens in a thread, because the system's resolver may take half a minute and cannot be
    interrupted. The thread ends with each answer, so the master usually has no threads when it
    forks.

    :ivar problem: why the last look-up failed; empty if it succeeded.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self.problem = ""
        self._thread: Thread | None = None
        self._found: Target | None = None

    @property
    def is_name(self) -> bool:
        """True if another look-up may have a different result."""
        return isinstance(self.address, TcpAddress) and not self.address.family

    def start(self) -> None:
        """Start a look-up, unless one is under way."""
        if self._thread is None:
            self._thread = Thread(target=self._look_up, name="statsd-resolver", daemon=True)
            self._thread.start()

    def take(self, patience: float = 0.0) -> Target | None:
        """Return the result of a finished look-up; None if it found nothing or is not finished.

        :param patience: how many seconds to wait for a look-up that is under way.
        """
        if self._thread is None:
            return None
        self._thread.join(patience)
        if self._thread.is_alive():
            self.problem = self.problem or "its name has not been looked up yet"
            return None
        self._thread = None
        found, self._found = self._found, None
        return found

    def now(self) -> Target | None:
        """Return the target of an address that needs no look-up, or only a quick one."""
        if not self.is_name:
            return fixed(self.address)
        self.start()
        return self.take(PATIENCE)

    def _look_up(self) -> None:
        assert isinstance(self.address, TcpAddress)
        try:
            found = socket.getaddrinfo(*self.address, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            self.problem = getattr(error, "strerror", None) or str(error)
        else:
            # IPv4 first: a statsd server that listens on one family only has that.
            first = min(found, key=lambda entry: entry[0] != socket.AF_INET)
            self._found = int(first[0]), first[4]
            self.problem = ""


def fixed(address: Address) -> Target:
    """Return the target of a path or a numeric address."""
    if isinstance(address, UnixAddress):
        return socket.AF_UNIX, address.path
    if isinstance(address, AbstractAddress):
        return socket.AF_UNIX, address.name
    found = socket.getaddrinfo(
        *address, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    )
    return int(found[0][0]), found[0][4]
