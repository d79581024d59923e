"""Socket activation: listening sockets passed by a service manager such as systemd.

The protocol is that of sd_listen_fds(3): the sockets are the descriptors from 3 on. LISTEN_FDS
says how many there are, LISTEN_PID which process they are for, and LISTEN_FDNAMES their names.
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
    """Return the listeners that were passed to this process, in the order of their descriptors.

    The variables are removed whether they are for this process or not, so that no process
    started from here takes them for its own.

    :param first: the descriptor of the first socket.
    :raises BindError: when a variable is not a number, or a descriptor cannot be listened on.
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
    """Tell whether a passed socket is already bound to an address, however that is written.

    :raises BindError: when the address is a host name that cannot be resolved.
    """
    if isinstance(address, FdAddress):
        return address == passed.address
    own = passed.socket.getsockname()
    if isinstance(address, UnixAddress):
        # /var/run is often a link to /run.
        return passed.url == f"unix:{own}" and realpath(own) == realpath(address.path)
    if isinstance(address, AbstractAddress):
        return passed.url == str(address)
    family, target = resolve(address)
    if passed.socket.family == family:
        return bool(own == target)
    # A socket for both IP versions, which is systemd's default, also occupies 0.0.0.0.
    return (
        passed.socket.family == socket.AF_INET6
        and own[0] == "::"
        and target == ("0.0.0.0", own[1])
        and not passed.socket.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    )
