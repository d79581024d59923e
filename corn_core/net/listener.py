"""Listening sockets, and opening all of them or none."""

from __future__ import annotations

import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

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
from corn_core.setting import Expected, Setting, boolean, integer

TRIES = 5
"""The number of attempts at an address that is in use or does not exist yet."""


def parse_reuse_port(raw: object) -> bool:
    """Parse ``reuse_port``."""
    wanted = boolean(raw)
    if wanted and not hasattr(socket, "SO_REUSEPORT"):
        raise Expected("false, as this system has no SO_REUSEPORT")
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
            " listening socket that the process inherited. Give it several times, or as"
            " a list, to listen on several addresses."
            " An empty host means all IPv4 interfaces, a missing port 8000, and port 0 lets the"
            " kernel choose. An IPv6 address takes IPv6 connections only, and a host name means"
            " the first address it has, IPv4 before IPv6. The settings umask, user and group"
            " decide who may connect to a unix socket. If the environment variable PORT is set,"
            " the default is 0.0.0.0:$PORT. If a service manager passes sockets (systemd's socket"
            " activation), they are served in addition to these addresses, and instead of the"
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
            "The number of connections that may wait to be accepted, per address. Beyond"
            " it, clients are refused or have to try again. The kernel caps it at its own limit"
            " (net.core.somaxconn on Linux). A longer queue survives a burst, but makes clients"
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
            "Let each worker open its own TCP socket on the same address, with"
            " SO_REUSEPORT, so that the kernel spreads connections across the workers. It"
            " does so without knowing which of them are busy. Connections queued for a worker"
            " when it exits are lost, unless Linux is told to move them (sysctl"
            " net.ipv4.tcp_migrate_req=1); clients are refused while no worker is ready; and a"
            " second server run by the same user on the same address goes unnoticed. Unix sockets"
            " and sockets passed to the server are shared as usual. An address that stays the same"
            " in a reload keeps its way of listening."
        ),
        flags=("--reuse-port",),
        action="store_true",
    ),
)

# The address may become usable without our doing: the previous server is on its way out, or the
# interface is coming up. Every other error is final.
_PASSING = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})

# Other systems have a TCP_INFO too, but with a different layout.
_NO_QUEUE = sys.platform != "linux"

Target = tuple[int, str | tuple[object, ...]]
"""An address family, and an address in the form that bind(2) takes."""


@dataclass(frozen=True, slots=True)
class PathAccess:
    """Access to a unix socket; None and -1 leave the values of the process that binds it.

    :param umask: the mode bits to withhold from its path.
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
    kernel's choice; they stay valid after the socket is closed.

    :ivar inherited: the process was started with it, so its path is not ours to remove.
    :ivar per_worker: the master's socket only holds the address, and each worker listens
        on its own: see :meth:`claim`.
    :ivar shared: another master listens on it too, so its path must stay.
    :ivar server_name: SERVER_NAME (RFC 3875 section 4.1.14: IPv6 in brackets); ``localhost``
        for a unix socket, which has no name that fits into a URL.
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
                self.url = str(AbstractAddress(path))
            else:
                self.url = str(UnixAddress(path))
                # Absolute, because the process may change directory before it unlinks the path.
                self._path = os.path.abspath(path)
        else:
            self.url = f"http://{TcpAddress(name[0], name[1])}"
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
    def sock(self) -> socket.socket:
        """The socket, by the name that hook functions written for Gunicorn use."""
        return self.socket

    def getsockname(self) -> Any:
        """Return the address as the socket has it, for hook functions written for Gunicorn."""
        return self.socket.getsockname()

    @property
    def closed(self) -> bool:
        return self.fileno() < 0

    @property
    def reachable(self) -> bool:
        """True if clients can find it, which for a unix socket means that its path leads to it."""
        return self._path is None or (self._inode is not None and inode(self._path) == self._inode)

    def queued(self) -> int | None:
        """Return how many connections wait to be accepted, or ``None`` if the system cannot say.

        Only Linux can, and only for TCP. With ``reuse_port`` each worker has its own queue.
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
        would go on taking clients whom no worker serves. A descriptor that was passed stays as it
        is, because the program that opened it may go on using it.
        """
        if not self.inherited:
            refuse_clients(self.socket)

    def close(self) -> None:
        """Close this process's descriptor; other processes may go on accepting."""
        self.socket.close()

    def unlink(self) -> None:
        """Remove the path of a unix socket, unless it belongs to another server by now."""
        if self.inherited or self.shared or self._path is None or not self.reachable:
            return
        try:
            os.unlink(self._path)
        except OSError:
            # Removed just now, or no longer ours to remove: the next start finds it stale.
            return

    def abandon(self) -> None:
        """Undo what opening did. A descriptor that was passed to the server stays open."""
        if self.inherited:
            self.socket.detach()
        else:
            self.unlink()
            self.close()

    def unlink_unanswered(self) -> None:
        """Remove the path, even a shared one, if no process listens there; call it when closed."""
        try:
            answered = self._path is None or is_answered(self._path)
        except OSError:
            return  # no longer ours to remove; the next start finds it stale
        if not answered:
            self.shared = False
            self.unlink()

    def claim(self) -> None:
        """Bind the worker's own socket to the address without listening yet (``per_worker``).

        Call it while the worker still has the master's privileges: only sockets of one user may
        share an address, and the port may be below 1024.

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
    """Return the listener for a socket that this process inherited.

    :raises OSError: when the descriptor is not a socket.
    """
    sock = socket.socket(fileno=fd)
    os.set_inheritable(fd, False)
    # A socket that does not listen only reserves the address for the workers' own.
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

    An address that is in use, or does not exist yet, is tried five times, one second apart; once
    where a terminal shows the answer.

    :param wait: waits one second; the master passes a function that also watches for signals.
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
        # This includes whatever ``wait`` raises to stop the attempt.
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
    for tries_left in reversed(range(1 if os.isatty(2) else TRIES)):
        try:
            return open_it()
        except OSError as error:
            if error.errno not in _PASSING:
                raise BindError(f"cannot listen on {address}: {_reason(address, error)}") from None
            if error.errno == errno.EADDRINUSE:
                log.error("Connection in use: %s", address)
            else:
                log.error("Invalid address: %s", address)
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
    :raises BindError: when trying again is pointless.
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
    """Bind a unix socket, with its final mode from the first moment and before it listens."""
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
    """Return the family and the address to pass to bind(2)."""
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
    """Choose which of a name's addresses to listen on.

    There is one listener per configured address, however many a name resolves to. IPv4 comes
    first, because that is where clients of ``localhost`` expect it.
    """
    return min(found, key=lambda target: target[0] != socket.AF_INET)


def _set_options(sock: socket.socket, reuse_port: bool) -> None:
    if sock.family == socket.AF_UNIX:
        return
    # A restarted server must not have to wait until its predecessor's connections leave TIME_WAIT.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if sock.family == socket.AF_INET6:
        # So that [::]:8000 and 0.0.0.0:8000 can be bound side by side, on every system.
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    # Accepted sockets inherit it (on Linux), which saves a system call per connection.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if reuse_port:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Nothing is deferred here: a worker that exits can only accept what is in its queue.
    elif hasattr(socket, "TCP_DEFER_ACCEPT"):
        # A connection is handed over together with its request, so the first read finds data.
        # After a second without data it is handed over all the same.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)


def _reason(address: Address, error: OSError) -> str:
    """Return the system's error text, and what to do about it where that is known."""
    text = error.strerror or str(error)
    if error.errno == errno.EADDRINUSE:
        return f"{text}; stop the program that listens there, or bind another address"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{text}; no interface of this machine has that address"
    if error.errno == errno.ENOENT and isinstance(address, UnixAddress):
        directory = os.path.dirname(os.path.abspath(address.path))
        return f"the directory {directory!r} does not exist; create it first"
    if error.errno == errno.EACCES and isinstance(address, TcpAddress) and address.port < 1024:
        return f"{text}; ports below 1024 need root or CAP_NET_BIND_SERVICE"
    return text
