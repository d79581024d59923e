"""The addresses and facilities in the settings."""

from __future__ import annotations

import socket
import sys
from typing import NamedTuple

from corn_core.plugin import Expected, TcpAddress, UnixAddress, parse_address

DEFAULT_PORT = 514

FORMS = "udp://HOST:PORT, tcp://HOST:PORT, unix://PATH, unix://PATH#stream or unix://PATH#dgram"

_NAMES = ("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron")
# The codes of syslog.h; security is the old name of auth.
FACILITIES = {name: code for code, name in enumerate(_NAMES)}
FACILITIES |= {"security": 4, "authpriv": 10, "ftp": 11}
FACILITIES |= {f"local{number}": 16 + number for number in range(8)}

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
    address = parse_address(f"unix:{path}") if path else None
    if not isinstance(address, UnixAddress):
        raise Expected("the path of a socket after unix://")
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
