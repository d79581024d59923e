"""The handler that sends log records to a syslog daemon.

The messages have the form of RFC 3164 as far as programs send it: a priority, the program's name
and the text. Time and host are left to the daemon, which puts them in front.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from corn_core.plugin import TcpAddress
from corn_syslog.address import FACILITIES, parse_syslog_address

# Severities of RFC 5424 section 6.2.1, by the least level of logging that has them.
_SEVERITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))
_DEBUG = 7

PATIENCE = 1.0
"""Seconds that sending a message may take: how long a worker waits for a daemon that does not
read."""

PAUSE = 5.0
"""Seconds after a failure before it tries again; messages are dropped meanwhile."""

MAX_DATAGRAM = 60_000
"""The longest message in a datagram, in bytes; a UDP datagram is not much longer (RFC 768)."""


def program_name(prefix: str, log: str) -> str:
    """Return ``corn.PREFIX.LOG`` without the characters at which a daemon would end the name."""
    name = f"corn.{prefix}.{log}"
    return "".join("." if char in ":[]" or not "!" <= char <= "~" else char for char in name)


class SyslogHandler(logging.Handler):
    """Sends records to a syslog daemon, which may be down for a while.

    A daemon that fails does not disturb the server: a message takes at most :data:`PATIENCE`
    seconds, and what cannot be sent is lost, which is reported once.

    :param program: the name of the program in each message.
    :param report: called with a text when messages begin to be lost.
    """

    def __init__(
        self, text: str, facility: str, program: str, report: Callable[[str], object]
    ) -> None:
        super().__init__()
        self.text = text
        self.address = parse_syslog_address(text)
        self.facility = FACILITIES[facility]
        self.program = program
        self._report = report
        self._socket: socket.socket | None = None
        self._owner = 0
        self._failing = False
        self._next_try = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            if monotonic() >= self._next_try:
                self._deliver(self.priority(record), self.format(record))
        except OSError as error:
            self._drop()
            self._next_try = monotonic() + PAUSE
            self._fail(error)
        except Exception:
            # Broad, as in every handler of the standard library.
            self.handleError(record)

    def priority(self, record: logging.LogRecord) -> int:
        """Return facility and severity as one number (RFC 5424 section 6.2.1)."""
        fitting = (code for level, code in _SEVERITIES if record.levelno >= level)
        return self.facility * 8 + next(fitting, _DEBUG)

    def close(self) -> None:
        """Close the connection; the next record opens another one.

        Applications close the handlers of the server too, when they configure their logging.
        """
        self._drop()
        super().close()

    # -- sending ---------------------------------------------------------------------

    def _deliver(self, priority: int, text: str) -> None:
        sock = self._connected()
        data = self._framed(sock, f"<{priority}>{self.program}: ", text.replace("\0", "\\x00"))
        if self.address.tcp_ip is not None and sock.type == socket.SOCK_DGRAM:
            self._send_datagram(sock, data)
            return
        try:
            sock.sendall(data)
        except (ConnectionRefusedError, BrokenPipeError, ConnectionResetError):
            # The daemon was restarted, and the new one listens at the same address.
            self._drop()
            self._connected().sendall(data)
        self._failing = False

    def _send_datagram(self, sock: socket.socket, data: bytes) -> None:
        try:
            sock.send(data)
        except ConnectionRefusedError as error:
            # This answers an earlier datagram; the present one has not been sent.
            self._fail(error)
            sock.send(data)

    def _framed(self, sock: socket.socket, head: str, text: str) -> bytes:
        if sock.type != socket.SOCK_STREAM:
            return _encoded(head + text)[:MAX_DATAGRAM]
        if sock.family == socket.AF_UNIX:
            # syslog(3) ends a message on such a socket so.
            return _encoded(head + text) + b"\0"
        # A line end ends the message (RFC 6587 section 3.4.2), so a traceback is several messages.
        return _encoded("".join([f"{head}{line}\n" for line in text.split("\n")]))

    def _connected(self) -> socket.socket:
        sock = self._socket
        # Workers do not write to a stream that the master opened, because messages of several
        # processes could be mixed up.
        if sock is not None and (self._owner != os.getpid() or _is_over(sock)):
            self._drop()
            sock = None
        if sock is None:
            sock = self._socket = self._connect()
            self._owner = os.getpid()
        return sock

    def _connect(self) -> socket.socket:
        if self.address.tcp_ip is not None:
            return _connect_to_host(self.address.tcp_ip, self.address.type or socket.SOCK_DGRAM)
        if self.address.type is not None:
            return _open(socket.AF_UNIX, self.address.type, self.address.path)
        try:
            return _open(socket.AF_UNIX, socket.SOCK_STREAM, self.address.path)
        except OSError as error:
            if error.errno != errno.EPROTOTYPE:
                raise
        return _open(socket.AF_UNIX, socket.SOCK_DGRAM, self.address.path)

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _fail(self, error: OSError) -> None:
        if self._failing:
            return
        # First, because the report goes through the error log, and so comes back here.
        self._failing = True
        self._report(
            f"Cannot log to syslog at {self.text}: {error.strerror or error};"
            " messages are lost until that works"
        )


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _open(family: int, kind: socket.SocketKind, address: str | tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        sock.settimeout(PATIENCE)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_to_host(host: TcpAddress, kind: socket.SocketKind) -> socket.socket:
    """Connect to the first address of a host that accepts.

    IPv4 comes first: sending a datagram does not tell whether a daemon listens, and localhost is
    also ::1, where not every daemon does.
    """
    found = socket.getaddrinfo(host.host, host.port, type=kind)
    found.sort(key=lambda info: info[0] != socket.AF_INET)
    last: OSError = OSError(f"no address for {host.host}")
    for family, _, _, _, address in found:
        try:
            return _open(family, kind, address)
        except OSError as error:
            last = error
    raise last


def _is_over(sock: socket.socket) -> bool:
    """Tell whether the daemon has closed its side, so that a message would be lost silently."""
    if sock.type != socket.SOCK_STREAM:
        return False
    sock.setblocking(False)  # with a timeout, recv() would wait that long
    try:
        return not sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(PATIENCE)
