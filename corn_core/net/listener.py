"""Listening sockets: binding all of them or none, and what a stale unix socket is."""

from __future__ import annotations

import errno
import os
import socket
import stat
import time
from collections.abc import Callable, Iterable, Sequence

from corn_core.errors import BindError
from corn_core.interfaces import Logger
from corn_core.net.address import Address, TcpAddress, UnixAddress, parse_bind
from corn_core.settings.model import Setting, integer

TRIES = 5
"""How often an address is tried that is in use or not there yet."""

SETTINGS = (
    Setting(
        name="bind",
        section="Server Socket",
        parse=parse_bind,
        default=["127.0.0.1:8000"],
        help=(
            "The address to listen on: HOST, HOST:PORT, :PORT, [IPV6]:PORT, tcp://HOST:PORT or"
            " unix:PATH. Give it several times, or as a list, to listen on several addresses."
            " An empty host means all IPv4 interfaces, a missing port 8000, and port 0 lets the"
            " kernel choose. An IPv6 address takes IPv6 connections only, and a host name means"
            " the first address it has, IPv4 before IPv6. The mode of a unix socket follows the"
            " umask of the process. When the environment variable PORT is set, the default is"
            " 0.0.0.0:$PORT."
        ),
        flags=("-b", "--bind"),
        metavar="ADDRESS",
        action="append",
        env="PORT",
        env_value=lambda port: [f"0.0.0.0:{port}"],
    ),
    Setting(
        name="backlog",
        section="Server Socket",
        parse=integer(1),
        default=2048,
        help=(
            "The number of connections that may wait to be accepted, for each address. Beyond"
            " it, clients are refused or have to try again. The kernel cuts it to its own limit"
            " (net.core.somaxconn on Linux). A longer queue survives a burst and lets clients"
            " wait longer during an overload."
        ),
        flags=("--backlog",),
        metavar="INT",
    ),
)

# The address may become usable by itself: the previous server is on its way out, or the
# interface is coming up. Everything else fails at once.
_PASSING = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})

Target = tuple[int, str | tuple[object, ...]]
"""A family, and an address of it as bind(2) takes it."""


class Listener:
    """A listening socket, and what WSGI and the log say about it.

    ``url`` and the server names come from the socket itself, so that port 0 shows the
    kernel's choice, and stay as they are when the socket is closed.

    :ivar server_name: SERVER_NAME (RFC 3875 section 4.1.14: IPv6 in brackets). A unix socket
        has no name that a URL could hold: ``localhost``.
    :ivar server_port: SERVER_PORT; ``80`` for a unix socket.
    """

    def __init__(self, address: Address, sock: socket.socket) -> None:
        self.address = address
        self.socket = sock
        sock.setblocking(False)
        name = sock.getsockname()
        self.is_unix = sock.family == socket.AF_UNIX
        self.server_name, self.server_port = "localhost", "80"
        if self.is_unix:
            self.url = UnixAddress(os.fsdecode(name)).url
        else:
            bound = TcpAddress(name[0], name[1])
            self.url = bound.url
            self.server_name = f"[{name[0]}]" if ":" in name[0] else name[0]
            self.server_port = str(name[1])
        # Made absolute, because the process may change its directory before it unlinks.
        self._path = os.path.abspath(os.fsdecode(name)) if self.is_unix else None
        self._inode = _inode(self._path)

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"<Listener {self.url}>"

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        """Close this process's descriptor; other processes may go on accepting."""
        self.socket.close()

    def unlink(self) -> None:
        """Remove the path of a unix socket, unless it has become another server's."""
        if self._path is None or self._inode is None or _inode(self._path) != self._inode:
            return
        try:
            os.unlink(self._path)
        except OSError:
            # Removed this moment, or out of our reach by now: the next start finds it stale.
            return


def _inode(path: str | None) -> tuple[int, int] | None:
    """What identifies the file at a path, itself rather than what it points to."""
    if path is None:
        return None
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def bind_all(
    addresses: Iterable[Address],
    backlog: int,
    log: Logger,
    wait: Callable[[float], object] = time.sleep,
) -> list[Listener]:
    """Listen on every address, or on none.

    An address that is in use, or not there yet, is tried five times, a second apart.

    :param wait: how to let a second pass; the master passes one that looks for signals.
    :raises BindError: names the address and the reason; everything opened is closed again.
    """
    listeners: list[Listener] = []
    try:
        for address in addresses:
            listeners.append(_bind_patiently(address, backlog, log, wait))
    except BaseException:
        # Also what ``wait`` may raise to break off.
        for listener in listeners:
            listener.unlink()
            listener.close()
        raise
    return listeners


def _bind_patiently(
    address: Address, backlog: int, log: Logger, wait: Callable[[float], object]
) -> Listener:
    for tries_left in reversed(range(TRIES)):
        try:
            return _bind(address, backlog)
        except OSError as error:
            if error.errno not in _PASSING:
                raise BindError(f"cannot listen on {address}: {_reason(address, error)}") from None
            if error.errno == errno.EADDRINUSE:
                log.error("Connection in use: %s", _shown(address))
            else:
                log.error("Invalid address: %s", _shown(address))
            if not tries_left:
                raise BindError(f"cannot listen on {address}: {_reason(address, error)}") from None
        log.error("Retrying in 1 second.")
        wait(1.0)
    raise AssertionError("the last try returns or raises")


def _bind(address: Address, backlog: int) -> Listener:
    """Bind and listen; OSError when the system refuses, BindError when trying again is vain."""
    if isinstance(address, UnixAddress):
        _remove_stale(address)
    family, target = _resolve(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        _set_options(sock)
        sock.bind(target)
        sock.listen(backlog)
        return Listener(address, sock)
    except BaseException:
        sock.close()
        raise


def _resolve(address: Address) -> Target:
    """The family and the address that bind(2) takes."""
    if isinstance(address, UnixAddress):
        return socket.AF_UNIX, address.path
    try:
        found = socket.getaddrinfo(
            address.host.encode(),  # text would load the codec for international names
            address.port,
            family=address.family,
            type=socket.SOCK_STREAM,
            flags=socket.AI_PASSIVE,
        )
    except socket.gaierror as error:
        raise BindError(f"cannot listen on {address}: {error.strerror}") from None
    return preferred([(entry[0], entry[4]) for entry in found])


def preferred(found: Sequence[Target]) -> Target:
    """The one to listen on of the addresses that a name has.

    One listener an address, whatever the name has; IPv4 first, as clients of
    ``localhost`` have always found it.
    """
    return min(found, key=lambda target: target[0] != socket.AF_INET)


def _set_options(sock: socket.socket) -> None:
    if sock.family == socket.AF_UNIX:
        return
    # A restarted server must not wait for the TIME_WAIT of its predecessor's connections.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        # So that [::]:8000 and 0.0.0.0:8000 can be bound side by side, on every system.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # Accepted sockets inherit it (on Linux): no system call for each connection.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_DEFER_ACCEPT"):
        # A connection shows up with its request, so the first read finds it. After a second
        # without data it shows up all the same.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)


def _remove_stale(address: UnixAddress) -> None:
    """Remove what a dead server left at the path; leave alone what is anything else.

    Only a socket on which nobody answers is stale. Two servers that start at the same
    moment may both find it so; comparing inodes before unlinking leaves the second one
    the smallest of windows to remove the first one's new socket.
    """
    path = address.path
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(f"cannot listen on {address}: the path exists and is not a socket")
    inode = _inode(path)
    if _is_answered(path):
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    if _inode(path) == inode:
        os.unlink(path)


def _is_answered(path: str) -> bool:
    """Whether a process listens on the socket at a path; OSError when that cannot be known."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except BlockingIOError:
            # Its backlog is full, so somebody is there.
            return True
    return True


def _shown(address: Address) -> object:
    if isinstance(address, TcpAddress):
        return (address.host, address.port)
    return address.path


def _reason(address: Address, error: OSError) -> str:
    """The system's words, and what to do about it where that is known."""
    text = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return f"{text}; stop the program that listens there, or bind another address"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{text}; no interface of this machine has the address"
    if error.errno == errno.EACCES and isinstance(address, TcpAddress) and address.port < 1024:
        return f"{text}; ports below 1024 need root or CAP_NET_BIND_SERVICE"
    return text
