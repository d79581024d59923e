"""Syslog: the addresses and facilities in the settings, and the handler that sends.

The messages have the form of RFC 3164 as far as programs send it: a priority, the program's name
and the text. Time and host are left to the daemon, which puts them in front.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from collections.abc import Callable
from time import monotonic
from typing import Any, NamedTuple

from corn_core.net.address import UNIX_PATH_LIMIT, TcpAddress, parse_address
from corn_core.setting import Expected

DEFAULT_PORT = 514

FORMS = "udp://HOST:PORT, tcp://HOST:PORT, unix://PATH, unix://PATH#stream or unix://PATH#dgram"

_NAMES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron")
# The codes of syslog.h; security is the old name of auth.
FACILITIES = {name: code for code, name in enumerate(_NAMES)}
FACILITIES |= {"security": 4, "authpriv": 10, "ftp": 11}
FACILITIES |= {f"local{number}": 16 + number for number in range(8)}

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

_TYPES = {"stream": socket.SOCK_STREAM, "dgram": socket.SOCK_DGRAM}


class SyslogAddress(NamedTuple):
    """A host and port, or the path of a unix socket.

    :param type: the socket's; None for a unix socket that is tried both ways.
    """

    type: socket.SocketKind | None
    tcp_ip: TcpAddress | None = None
    path: str = ""


def parse_syslog_address(text: str) -> SyslogAddress:
    """Parse the value of ``syslog_addr``.

    :raises Expected: for anything that is not an address.
    """
    scheme, separator, rest = text.partition("://")
    if not separator or scheme not in ("udp", "tcp", "unix"):
        raise Expected(f"an address such as {FORMS}")
    if scheme == "unix":
        return _parse_unix(rest)
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    host = f"localhost{rest}" if rest[:1] in ("", ":") else rest
    if ":" not in host.rpartition("]")[2]:
        host = f"{host}:{DEFAULT_PORT}"
    try:
        address = parse_address(f"tcp://{host}")
    except Expected:
        address = None
    if not isinstance(address, TcpAddress) or address.port == 0:
        raise Expected(f"a host and a port from 1 to 65535 after {scheme}://, or {scheme}://[IPV6]")
    return SyslogAddress(kind, tcp_ip=address)


def _parse_unix(rest: str) -> SyslogAddress:
    path, mark, kind = rest.partition("#")
    size = len(path.encode("utf-8", "surrogateescape"))
    if not path or "\0" in path or size > UNIX_PATH_LIMIT:
        raise Expected(f"the path of a socket after unix://, of at most {UNIX_PATH_LIMIT} bytes")
    if mark and kind not in _TYPES:
        raise Expected("stream or dgram after the # of a unix socket")
    return SyslogAddress(_TYPES[kind] if mark else None, path=path)


def default_address(platform: str = sys.platform) -> str:
    """Return where the syslog daemon of a platform listens, according to the manual."""
    if platform == "darwin":
        return "unix:///var/run/syslog"
    if platform.startswith(("freebsd", "dragonfly")):
        return "unix:///var/run/log"
    if platform.startswith("openbsd"):
        return "unix:///dev/log"
    return f"udp://localhost:{DEFAULT_PORT}"


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

    def retire(self) -> None:
        self.close()

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
