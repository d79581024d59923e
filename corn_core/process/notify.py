"""Messages to a service manager, by the protocol of sd_notify(3): datagrams on NOTIFY_SOCKET.

Whatever is wrong with the socket, or with whoever should read from it, the server goes on.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import MutableMapping
from math import inf
from time import monotonic_ns

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")

_MOST_UNSENT = 16


class Notifier:
    """Sends messages; does nothing when nobody wants any.

    :param address: a path, or ``@NAME`` for an abstract socket; empty for nobody.
    :param interval: the seconds between heartbeats; 0 when they are not wanted.
    :ivar due: when the next heartbeat is due, as ``time.monotonic()`` counts.
    :ivar problem: why a message could not be sent; empty as long as all could.
    """

    def __init__(self, address: str = "", interval: float = 0.0) -> None:
        self.interval = interval if address else 0.0
        self.due = 0.0 if self.interval else inf
        self.problem = ""
        self._address = address
        self._unsent: deque[bytes] = deque(maxlen=_MOST_UNSENT)

    def send(self, *assignments: str) -> None:
        """Send one message of ``NAME=value`` assignments, after those that still wait."""
        if self._address:
            self._unsent.append("\n".join(assignments).encode())
            self.flush()

    def beat(self, now: float) -> None:
        """Send the heartbeat if it is due, and what could not be sent before."""
        if now >= self.due:
            self.due = now + self.interval
            if not self._unsent:
                self.send("WATCHDOG=1")
                return
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


def take_notifier(environ: MutableMapping[str, str], pid: int) -> tuple[Notifier, str]:
    """What the environment asks this process for; the variables are removed from it.

    A watchdog that is meant for another process is not fed. Heartbeats are sent twice in
    the time after which they are missed, as sd_watchdog_enabled(3) recommends.

    :returns: the notifier, and what is wrong with the variables; they never prevent a start.
    """
    address, microseconds, for_pid = (environ.pop(name, "") for name in VARIABLES)
    if address and address[0] not in "/@":
        return Notifier(), f"NOTIFY_SOCKET is neither a path nor @NAME: {address!r}"
    if not address or not microseconds or for_pid not in ("", str(pid)):
        return Notifier(address), ""
    if not (microseconds.isascii() and microseconds.isdigit() and int(microseconds)):
        return Notifier(address), f"WATCHDOG_USEC is no number of microseconds: {microseconds!r}"
    return Notifier(address, int(microseconds) / 2_000_000), ""


def clock() -> str:
    """The time as systemd wants to know it of a reload: CLOCK_MONOTONIC in microseconds."""
    return f"MONOTONIC_USEC={monotonic_ns() // 1000}"
