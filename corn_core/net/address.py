"""The addresses of the ``bind`` setting: their forms, and what each means."""

from __future__ import annotations

import re
import socket
import sys
from typing import NamedTuple

from corn_core.setting import Expected, strings

DEFAULT_HOST = "0.0.0.0"
DEFAULT_PORT = 8000

# sun_path of unix(7), less the NUL at its end. macOS and the BSDs have 104 bytes, Linux 108.
UNIX_PATH_LIMIT = 103 if hasattr(socket, "LOCAL_PEERCRED") else 107

FORMS = "HOST, HOST:PORT, :PORT, [IPV6]:PORT, tcp://HOST:PORT, unix:PATH, unix:@NAME or fd://N"

HAS_ABSTRACT = sys.platform.startswith("linux")
"""True if unix sockets may have names that are not paths (unix(7), "abstract")."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
# RFC 1123 section 2.1, and the underscore, which is common in the names of containers.
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")


class TcpAddress(NamedTuple):
    """A host, by name or number, and a port; port 0 lets the kernel choose one."""

    host: str
    port: int

    @property
    def family(self) -> socket.AddressFamily:
        """The family of a numeric host; ``AF_UNSPEC`` for a name, which is looked up."""
        if ":" in self.host:
            return socket.AF_INET6
        return socket.AF_INET if _is_ipv4(self.host) else socket.AF_UNSPEC

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class UnixAddress(NamedTuple):
    """The path of a unix socket, as given; it may be relative."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


class AbstractAddress(NamedTuple):
    """A unix socket outside the file system; it goes away with the last process that has it open.

    :param name: as bind(2) takes it, with a leading NUL, so that it cannot equal a path.
    """

    name: str

    def __str__(self) -> str:
        return f"unix:@{self.name[1:]}"


class FdAddress(NamedTuple):
    """The number of a descriptor that the process inherited."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"


Address = TcpAddress | UnixAddress | AbstractAddress | FdAddress


def parse_address(text: str) -> Address:
    """Parse one address of the ``bind`` setting.

    An empty host means all IPv4 interfaces, and a missing port means 8000.

    :raises Expected: if the text is not an address; the message says what would be one.
    """
    text = text.strip()
    if text.startswith("unix:"):
        return _parse_unix(text.removeprefix("unix:").removeprefix("//"))
    scheme = _SCHEME.match(text)
    if scheme is None:
        return _parse_tcp(text)
    if scheme[1] == "tcp":
        return _parse_tcp(text[scheme.end() :])
    if scheme[1] == "fd":
        return _parse_fd(text[scheme.end() :])
    raise Expected(f"an address such as {FORMS} (there is no '{scheme[0]}' address)")


def _parse_fd(number: str) -> FdAddress:
    # A descriptor is a C int, which holds any number of nine digits.
    if number.isascii() and number.isdigit() and len(number) <= 9:
        return FdAddress(int(number))
    raise Expected("the number of an open descriptor after 'fd://', such as fd://3")


def _parse_unix(path: str) -> UnixAddress | AbstractAddress:
    if path.startswith("@"):
        return _parse_abstract(path[1:])
    if not path or "\0" in path or path.endswith("/"):
        raise Expected("the path of a socket after 'unix:', such as unix:/run/corn.sock")
    size = len(path.encode("utf-8", "surrogateescape"))
    if size > UNIX_PATH_LIMIT:
        raise Expected(
            f"the path of a unix socket to have at most {UNIX_PATH_LIMIT} bytes, which is the"
            f" system's limit (this one has {size})"
        )
    return UnixAddress(path)


def _parse_abstract(name: str) -> AbstractAddress:
    if not HAS_ABSTRACT:
        raise Expected(
            "the path of a socket after 'unix:', as this system has no abstract unix sockets"
            f" (the path of a file named like this is unix:./@{name})"
        )
    if not name or "\0" in name:
        raise Expected("the name of an abstract unix socket after 'unix:@', such as unix:@corn")
    size = len(name.encode("utf-8", "surrogateescape"))
    # The leading NUL takes the byte that a path needs for its trailing one.
    if size > UNIX_PATH_LIMIT:
        raise Expected(
            f"the name of an abstract unix socket to have at most {UNIX_PATH_LIMIT} bytes (this"
            f" one has {size})"
        )
    return AbstractAddress(f"\0{name}")


def _parse_tcp(text: str) -> TcpAddress:
    if text.isascii() and text.isdigit():
        # A bare port means all interfaces to some programs, and only this machine to others.
        raise Expected(
            f"an address with a host: 127.0.0.1:{text} for this machine only, or :{text}"
            " for all interfaces"
        )
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or not _is_ipv6(host) or rest[:1] not in ("", ":"):
            raise Expected("an IPv6 address in brackets, such as [::1]:8000")
        number, percent, zone = host.partition("%")  # a zone names an interface, case and all
        host = number.lower() + percent + zone
        return TcpAddress(host, _parse_port(rest[1:]) if rest else DEFAULT_PORT)
    if text.count(":") > 1:
        raise Expected("an IPv6 address to stand in brackets, such as [::1]:8000")
    host, colon, port = text.partition(":")
    return TcpAddress(_parse_host(host), _parse_port(port) if colon else DEFAULT_PORT)


def _parse_host(host: str) -> str:
    if not host:
        return DEFAULT_HOST
    if not _HOST_NAME.fullmatch(host):
        raise Expected(f"an address such as {FORMS}")
    if host.replace(".", "").isdigit() and not _is_ipv4(host):
        # inet_aton would take 127.1 or 10.0.0.256 for some other, unintended address.
        raise Expected("an IPv4 address of four numbers from 0 to 255, such as 127.0.0.1:8000")
    return host.lower()


def _parse_port(text: str) -> int:
    if text.isascii() and text.isdigit() and len(text) <= 5 and int(text) <= 65535:
        return int(text)
    raise Expected("a port from 0 to 65535 after the colon, such as 127.0.0.1:8000")


def _is_ipv4(host: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return False
    return True


def _is_ipv6(host: str) -> bool:
    try:
        # A zone such as %eth0 is resolved by getaddrinfo; inet_pton does not accept it.
        socket.inet_pton(socket.AF_INET6, host.partition("%")[0])
    except OSError:
        return False
    return True


def parse_bind(raw: object) -> list[str]:
    """Parse the ``bind`` setting; returns the addresses as texts, all of them valid."""
    texts = strings(raw)
    if not texts:
        raise Expected(f"at least one address such as {FORMS}")
    seen = set()
    for text in texts:
        address = parse_address(text)
        if address in seen and getattr(address, "port", None) != 0:
            raise Expected(f"each address only once ({address} is given twice)")
        seen.add(address)
    return texts


def parse_listener(raw: object) -> str:
    """Parse the address of a listener that a plugin has of its own: HOST:PORT, or unix:PATH.

    A port has to be given, because the default is that of the server's own address.
    """
    expected = "an address with a port, such as 127.0.0.1:9100, or unix:PATH"
    if not isinstance(raw, str):
        raise Expected(expected)
    text = raw.strip()
    if isinstance(parse_address(text), (AbstractAddress, FdAddress)):
        raise Expected(expected)
    if not text.startswith("unix:") and not text.rpartition(":")[2].isdigit():
        raise Expected(expected)
    return text
