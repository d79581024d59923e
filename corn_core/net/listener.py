"""Listening sockets: what one is, and opening all of them or none."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from corn_core.errors import BindError
from corn_core.interfaces import Logger
from corn_core.net.address import (
    AbstractAddress,
    Address,
    FdAddress,
    TcpAddress,
    UnixAddress,
    parse_bind,
)
from corn_core.net.descriptor import listening_socket
from corn_core.net.refusal import refuse_clients, waiting
from corn_core.net.stale import inode, is_answered, remove_stale
from corn_core.settings.model import Expected, Setting, boolean, integer

TRIES = 5
"""How often an address is tried that is in use or not there yet."""


def parse_reuse_port(raw: object) -> bool:
    """The parser of ``reuse_port``."""
    wanted = boolean(raw)
    if wanted and not hasattr(socket, "SO_REUSEPORT"):
        raise Expected("false, for this system has no SO_REUSEPORT")
    return wanted


SETTINGS = (
    Setting(
        name="bind",
        section="Server Socket",
        parse=parse_bind,
        default=["127.0.0.1:8000"],
        help=(
            "The address to listen on: HOST, HOST:PORT, :PORT, [IPV6]:PORT, tcp://HOST:PORT,"
            " unix:PATH, unix:@NAME for an abstract unix socket (Linux only) or fd://N for a"
            " listening socket that the process was started with. Give it several times, or as"
            " a list, to listen on several addresses."
            " An empty host means all IPv4 interfaces, a missing port 8000, and port 0 lets the"
            " kernel choose. An IPv6 address takes IPv6 connections only, and a host name means"
            " the first address it has, IPv4 before IPv6. Who may connect to a unix socket"
            " is said by umask, user and group. When the environment variable PORT is set, the"
            " default is 0.0.0.0:$PORT. When a service manager passes sockets (systemd's socket"
            " activation), they are served besides these addresses, and in the place of the"
            " default."
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
    Setting(
        name="reuse_port",
        section="Server Socket",
        parse=parse_reuse_port,
        default=False,
        help=(
            "Let each worker listen on a TCP socket of its own at the same address, with"
            " SO_REUSEPORT, so that the kernel divides the connections among the workers. It"
            " does so without asking which of them is busy. Connections that wait for a worker"
            " when it exits are lost, unless Linux is told to move them (sysctl"
            " net.ipv4.tcp_migrate_req=1); clients are refused while no worker is ready; and a"
            " second server of the same user at the same address is not noticed. Unix sockets and"
            " sockets that were passed to the server are shared as ever. An address that stays the"
            " same keeps its way of listening at a reload."
        ),
        flags=("--reuse-port",),
        action="store_true",
    ),
)

# The address may become usable by itself: the previous server is on its way out, or the
# interface is coming up. Everything else fails at once.
_PASSING = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})

# Other systems have a TCP_INFO too, with another layout.
_NO_QUEUE = sys.platform != "linux"

Target = tuple[int, str | tuple[object, ...]]
"""A family, and an address of it as bind(2) takes it."""


@dataclass(frozen=True, slots=True)
class PathAccess:
    """Who may connect to a unix socket; None and -1 leave that to the process that binds it.

    :param umask: the mode bits that its path does not get.
    :param uid: its owner.
    :param gid: its group.
    """

    umask: int | None = None
    uid: int = -1
    gid: int = -1


ANYBODY = PathAccess()


class Listener:
    """A listening socket, and what WSGI and the log say about it.

    ``url`` and the server names come from the socket itself, so that port 0 shows the
    kernel's choice, and stay as they are when the socket is closed.

    :ivar inherited: the process was started with it, so its path is somebody else's.
    :ivar per_worker: the master's socket only holds the address, and each worker listens
        on its own: see :meth:`claim`.
    :ivar shared: another master listens on it too, and its path must stay.
    :ivar server_name: SERVER_NAME (RFC 3875 section 4.1.14: IPv6 in brackets). A unix socket
        has no name that a URL could hold: ``localhost``.
    :ivar server_port: SERVER_PORT; ``80`` for a unix socket.
    """

    def __init__(self, address: Address, sock: socket.socket, per_worker: bool = False) -> None:
        self.address = address
        self.socket = sock
        self.inherited = isinstance(address, FdAddress)
        self.per_worker = per_worker
        self.shared = False
        sock.setblocking(False)
        name = sock.getsockname()
        self.is_unix = sock.family == socket.AF_UNIX
        self.server_name, self.server_port = "localhost", "80"
        self._path: str | None = None
        if self.is_unix:
            path = os.fsdecode(name)
            if path.startswith("\0"):
                self.url = AbstractAddress(path).url
            else:
                self.url = UnixAddress(path).url
                # Made absolute, because the process may change its directory before it unlinks.
                self._path = os.path.abspath(path)
        else:
            bound = TcpAddress(name[0], name[1])
            self.url = bound.url
            self.server_name = f"[{name[0]}]" if ":" in name[0] else name[0]
            self.server_port = str(name[1])
        self._inode = inode(self._path)

    def __str__(self) -> str:
        return self.url

    def __repr__(self) -> str:
        return f"<Listener {self.url}>"

    def fileno(self) -> int:
        return self.socket.fileno()

    @property
    def closed(self) -> bool:
        return self.fileno() < 0

    @property
    def reachable(self) -> bool:
        """Whether clients can find it: the path of a unix socket leads to it."""
        return self._path is None or (self._inode is not None and inode(self._path) == self._inode)

    def queued(self) -> int | None:
        """How many connections wait to be accepted; ``None`` where the system does not say.

        Linux says so for TCP, and with ``reuse_port`` each worker has a queue of its own.
        """
        if self.is_unix or self.per_worker or not hasattr(socket, "TCP_INFO") or _NO_QUEUE:
            return None
        try:
            return waiting(self.socket)
        except OSError:
            return None  # closed meanwhile

    def refuse(self) -> None:
        """Let no further client in, in any process, before the last worker closes it (Linux).

        Those in the backlog can still be accepted. A worker calls it when the server stops and it
        has accepted them: :meth:`close` closes its own copy, and one that another worker has open
        would go on taking clients whom no one serves. A descriptor that was passed stays as it is:
        whoever opened it may go on using it.
        """
        if not self.inherited:
            refuse_clients(self.socket)

    def close(self) -> None:
        """Close this process's descriptor; other processes may go on accepting."""
        self.socket.close()

    def unlink(self) -> None:
        """Remove the path of a unix socket, unless it is, or has become, another server's."""
        if self.inherited or self.shared or self._path is None or not self.reachable:
            return
        try:
            os.unlink(self._path)
        except OSError:
            # Removed this moment, or out of our reach by now: the next start finds it stale.
            return

    def abandon(self) -> None:
        """Undo the opening, as far as it was ours: a descriptor that was passed stays open."""
        if self.inherited:
            self.socket.detach()
        else:
            self.unlink()
            self.close()

    def unlink_unanswered(self) -> None:
        """When it is closed: remove the path, though shared, if nobody listens there any more."""
        try:
            answered = self._path is None or is_answered(self._path)
        except OSError:
            return  # out of our reach by now; the next start finds it stale
        if not answered:
            self.shared = False
            self.unlink()

    def claim(self) -> None:
        """In a worker, with ``per_worker``: take a place at the address, without listening yet.

        To be done with the privileges that the master has: only sockets of one user
        may share an address, and it may be one below 1024.

        :raises BindError: when the system refuses.
        """
        sock = socket.socket(self.socket.family, socket.SOCK_STREAM)
        try:
            _set_options(sock, reuse_port=True)
            sock.bind(self.socket.getsockname())
        except OSError as error:
            sock.close()
            reason = _reason(self.address, error)
            raise BindError(f"cannot listen on {self.address}: {reason}") from None
        sock.setblocking(False)
        self.socket.close()
        self.socket = sock


def adopt(fd: int, address: Address) -> Listener:
    """The listener of a socket that this process was started with.

    :raises OSError: when the descriptor is no socket.
    """
    sock = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    # One that does not listen holds an address for the workers' own.
    listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return Listener(address, sock, per_worker=not listens)


def bind_all(
    addresses: Iterable[Address],
    backlog: int,
    log: Logger,
    wait: Callable[[float], object] = time.sleep,
    reuse_port: bool = False,
    access: PathAccess = ANYBODY,
) -> list[Listener]:
    """Listen on every address, or on none.

    An address that is in use, or not there yet, is tried five times, a second apart.

    :param wait: how to let a second pass; the master passes one that looks for signals.
    :param reuse_port: leave it to each worker to listen on the TCP addresses.
    :param access: for unix sockets.
    :raises BindError: names the address and the reason; everything opened is closed again.
    """
    listeners: list[Listener] = []
    try:
        for address in addresses:
            open_it = partial(open_listener, address, backlog, reuse_port, access)
            listeners.append(_try_patiently(address, open_it, log, wait))
    except BaseException:
        # Also what ``wait`` may raise to break off.
        for listener in listeners:
            listener.abandon()
        raise
    return listeners


def _try_patiently(
    address: Address,
    open_it: Callable[[], Listener],
    log: Logger,
    wait: Callable[[float], object],
) -> Listener:
    for tries_left in reversed(range(TRIES)):
        try:
            return open_it()
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


def open_listener(
    address: Address, backlog: int, reuse_port: bool = False, access: PathAccess = ANYBODY
) -> Listener:
    """Bind and listen, in one attempt.

    :raises OSError: when the system refuses.
    :raises BindError: when trying again is vain.
    """
    if isinstance(address, FdAddress):
        return Listener(address, listening_socket(address.fd, str(address)))
    if isinstance(address, UnixAddress):
        remove_stale(address)
    family, target = resolve(address)
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        per_worker = reuse_port and family != socket.AF_UNIX
        _set_options(sock, per_worker)
        if isinstance(address, UnixAddress):
            _bind_path(sock, address.path, access)
        else:
            sock.bind(target)
        if not per_worker:
            sock.listen(backlog)
        return Listener(address, sock, per_worker)
    except BaseException:
        sock.close()
        raise


def _bind_path(sock: socket.socket, path: str, access: PathAccess) -> None:
    """Bind a unix socket; it has its mode from the first moment, and nobody listens yet."""
    if access.umask is None:
        sock.bind(path)
    else:
        before = os.umask(access.umask)
        try:
            sock.bind(path)
        finally:
            os.umask(before)
    if (access.uid, access.gid) != (-1, -1):
        try:
            os.lchown(path, access.uid, access.gid)
        except OSError as error:
            os.unlink(path)
            reason = f"cannot give it to user and group: {error.strerror}"
            raise BindError(f"cannot listen on unix:{path}: {reason}") from None


def resolve(address: TcpAddress | UnixAddress | AbstractAddress) -> Target:
    """The family and the address that bind(2) takes."""
    if isinstance(address, UnixAddress):
        return socket.AF_UNIX, address.path
    if isinstance(address, AbstractAddress):
        return socket.AF_UNIX, address.name
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


def _set_options(sock: socket.socket, reuse_port: bool) -> None:
    if sock.family == socket.AF_UNIX:
        return
    # A restarted server must not wait for the TIME_WAIT of its predecessor's connections.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        # So that [::]:8000 and 0.0.0.0:8000 can be bound side by side, on every system.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # Accepted sockets inherit it (on Linux): no system call for each connection.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # And nothing is deferred: a worker that exits can take along only what its queue has.
    elif hasattr(socket, "TCP_DEFER_ACCEPT"):
        # A connection shows up with its request, so the first read finds it. After a second
        # without data it shows up all the same.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)


def _shown(address: Address) -> object:
    if isinstance(address, TcpAddress):
        return (address.host, address.port)
    return address.path if isinstance(address, UnixAddress) else str(address)


def _reason(address: Address, error: OSError) -> str:
    """The system's words, and what to do about it where that is known."""
    text = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return f"{text}; stop the program that listens there, or bind another address"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{text}; no interface of this machine has the address"
    if error.errno == errno.ENOENT and isinstance(address, UnixAddress):
        directory = os.path.dirname(os.path.abspath(address.path))
        return f"the directory {directory!r} does not exist; create it first"
    if error.errno == errno.EACCES and isinstance(address, TcpAddress) and address.port < 1024:
        return f"{text}; ports below 1024 need root or CAP_NET_BIND_SERVICE"
    return text
