"""The other master during an upgrade, and what either of the two may do meanwhile.

Both listen on the same sockets. Neither may remove what the other one lives on, and when both
go, the last one tidies up. The masters know each other as parent and child.
"""

from __future__ import annotations

from collections.abc import Iterable

from corn_core.errors import BindError
from corn_core.net import Listener, adopt, parse_address
from corn_core.process.handover import Handover
from corn_core.process.pidfile import names

NEW = ".2"
OLD = ".oldbin"


class PeerMaster:
    """The master before this one, and the one after it, as far as they live.

    :ivar predecessor: the process id of the master that started this one; 0 without one, also
        once it is gone.
    :ivar successor: the process id of the master that this one has started; 0 likewise.
    :ivar aside: True while our pidfile has made room for the successor's.
    """

    def __init__(self) -> None:
        self.predecessor = 0
        self.successor = 0
        self.aside = False
        self._shared: list[Listener] = []

    @property
    def alone(self) -> bool:
        """True if this is the only master: a client that it does not serve is not served at all."""
        return not self.predecessor and not self.successor

    @property
    def role(self) -> str:
        """The name of this master in the process title."""
        return f"master{NEW}" if self.predecessor else "master"

    @property
    def refusal(self) -> str:
        """The reason why an upgrade cannot begin now; empty when it can."""
        if self.successor:
            return f"the new master (pid:{self.successor}) of an earlier one is still there"
        if self.predecessor:
            return (
                f"this master is new itself, and the old one (pid:{self.predecessor}) is still"
                " there"
            )
        return ""

    def pidfile_path(self, path: str | None) -> str | None:
        """Return where to write the pidfile that the configuration places at ``path``."""
        if path is None:
            return None
        if self.aside:
            return path + OLD
        # Whatever its scheme is: a master that makes room for us has moved its file by now.
        return path + NEW if self.predecessor and names(path, self.predecessor) else path

    # -- sockets ---------------------------------------------------------------------

    def inherit(self, handover: Handover) -> list[Listener]:
        """Open what the predecessor has handed over; returns what can be listened on.

        :raises BindError: when a descriptor is not a socket.
        """
        self.predecessor = handover.pid
        self._shared = []
        for fd, address in handover.sockets:
            listener = _adopted(fd, address)
            if listener.reachable:
                listener.shared = True
                self._shared.append(listener)
            else:
                # Its path is gone: no client finds the socket any more, and needs another one.
                listener.close()
        return list(self._shared)

    def share(self, listeners: Iterable[Listener]) -> None:
        """Leave the paths of these sockets alone from now on: another master has them too."""
        self._shared = list(listeners)
        for listener in self._shared:
            listener.shared = True

    def part(self) -> None:
        """Take what was shared as ours alone, to keep or to remove: the other master is gone."""
        self.predecessor = self.successor = 0
        self.aside = False
        for listener in self._shared:
            listener.shared = False
            if listener.closed:
                listener.unlink()
        self._shared = []

    def close(self) -> None:
        """At the end, remove the paths of shared sockets that no process listens on any more.

        The other master may be at its end as well. Both have closed their sockets before they
        come here, so the later one of them finds that no process answers.
        """
        for listener in self._shared:
            listener.unlink_unanswered()


def _adopted(fd: int, address: str) -> Listener:
    try:
        return adopt(fd, parse_address(address))
    except (OSError, ValueError) as error:
        raise BindError(
            f"cannot listen on {address}: the socket that was handed over cannot be used: {error}"
        ) from None
