"""Socket activation: the listening sockets that a service manager passes, as systemd does.

The protocol is that of sd_listen_fds(3): the sockets are the descriptors from 3 on, LISTEN_FDS
says how many, LISTEN_PID for which process, LISTEN_FDNAMES how they are called.
"""

from __future__ import annotations

import socket
from collections.abc import MutableMapping
from os.path import realpath

from corn_core.errors import BindError
from corn_core.net.address import AbstractAddress, Address, FdAddress, UnixAddress
from corn_core.net.descriptor import listening_socket
from corn_core.net.listener import Listener, resolve

FIRST_FD = 3

VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


def take_activated(
    environ: MutableMapping[str, str], pid: int, first: int = FIRST_FD
) -> list[Listener]:
    """The listeners that were passed to this process, in the order of their descriptors.

    The variables are removed, whether they are for this process or not: no process that is
    started from here shall take them for its own.

    :param first: the descriptor that the first socket has.
    :raises BindError: when a variable is no number, or a descriptor is nothing to listen on.
    """
    count, for_pid, names, _ = (environ.pop(name, "") for name in VARIABLES)
    if not count or not for_pid or _number("LISTEN_PID", for_pid) != pid:
        return []
    labels = dict(enumerate(names.split(":"), first))
    listeners: list[Listener] = []
    try:
        for fd in range(first, first + _number("LISTEN_FDS", count)):
            address = FdAddress(fd)
            name = f" ({labels[fd]})" if labels.get(fd) else ""
            sock = listening_socket(fd, f"{address}{name} of the service manager")
            listeners.append(Listener(address, sock))
    except BindError:
        for listener in listeners:
            listener.abandon()
        raise
    return listeners


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BindError(f"{name}: expected a whole number, got {text!r} (environment variable)")
    return int(text)


def covers(passed: Listener, address: Address) -> bool:
    """Whether a socket that was passed is at an address already, however that is written.

    :raises BindError: when the address is a host name that nobody knows.
    """
    if isinstance(address, FdAddress):
        return address == passed.address
    own = passed.socket.getsockname()
    if isinstance(address, UnixAddress):
        # /run is often also called /var/run.
        return passed.url == f"unix:{own}" and realpath(own) == realpath(address.path)
    if isinstance(address, AbstractAddress):
        return passed.url == address.url
    family, target = resolve(address)
    if passed.socket.family == family:
        return bool(own == target)
    # A socket of both IP versions, as systemd's are by default, is in the way of 0.0.0.0.
    return (
        passed.socket.family == socket.AF_INET6
        and own[0] == "::"
        and target == ("0.0.0.0", own[1])
        and not passed.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    )
