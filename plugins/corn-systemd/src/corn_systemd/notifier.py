"""Messages to a service manager, by the protocol of sd_notify(3): datagrams on NOTIFY_SOCKET.

Whatever is wrong with the socket, or with the process that should read from it, the server goes on.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Mapping
from time import monotonic_ns

BEAT = 1_000_000
"""Microseconds between heartbeats: they are sent from ``on_tick``."""

_MOST_UNSENT = 16


class Notifier:
    """Sends messages; does nothing without an address.

    :param address: a path, or ``@NAME`` for an abstract socket; empty to send nothing.
    :param watchdog: True if heartbeats are wanted.
    :ivar problem: why a message could not be sent; empty as long as all could.
    """

    def __init__(self, address: str = "", watchdog: bool = False) -> None:
        self.watchdog = watchdog
        self.problem = ""
        self._address = address
        self._unsent: deque[bytes] = deque(maxlen=_MOST_UNSENT)

    def send(self, *assignments: str) -> None:
        """Send one message of ``NAME=value`` assignments, after those that still wait."""
        if self._address:
            self._unsent.append("\n".join(assignments).encode())
            self.flush()

    def beat(self) -> None:
        """Send what could not be sent before, or else a heartbeat if they are wanted."""
        if self.watchdog and not self._unsent:
            self.send("WATCHDOG=1")
        else:
            self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the reader has room for it."""
        while self._unsent:
            try:
                self._transmit(self._unsent[0])
            except BlockingIOError:
                return  # it may just be busy: try again later
            except OSError as error:
                self.problem = error.strerror or str(error)
            self._unsent.popleft()

    def _transmit(self, message: bytes) -> None:
        # A socket for each of the few messages: none is there to be inherited or to break.
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(message, self._target())

    def _target(self) -> str:
        if self._address.startswith("@"):
            return "\0" + self._address[1:]
        return self._address


def notifier_for(variables: Mapping[str, str], pid: int) -> tuple[Notifier, str]:
    """Make the notifier that a service manager's variables ask for.

    A watchdog that is meant for another process is not fed. Heartbeats are to be sent twice in the
    time after which they are missed, as sd_watchdog_enabled(3) recommends.

    :param variables: those of ``plugin.VARIABLES``, empty when they are not set.
    :param pid: this process.
    :returns: the notifier, and what is wrong with the variables; they never prevent a start.
    """
    address, limit = variables["NOTIFY_SOCKET"], variables["WATCHDOG_USEC"]
    if address[0] not in "/@":
        return Notifier(), f"NOTIFY_SOCKET is neither a path nor @NAME: {address!r}; it is ignored"
    if not limit or variables["WATCHDOG_PID"] not in ("", str(pid)):
        return Notifier(address), ""
    if not (limit.isascii() and limit.isdigit() and int(limit)):
        text = f"WATCHDOG_USEC is not a number of microseconds: {limit!r}; it is ignored"
        return Notifier(address), text
    if int(limit) < 2 * BEAT:
        text = f"WatchdogSec= is {int(limit) / 1e6:g} seconds; heartbeats come every second, so set"
        return Notifier(address, watchdog=True), f"{text} it to 2 or more"
    return Notifier(address, watchdog=True), ""


def clock() -> str:
    """Return the time as systemd wants to know it of a reload: CLOCK_MONOTONIC in microseconds."""
    return f"MONOTONIC_USEC={monotonic_ns() // 1000}"
