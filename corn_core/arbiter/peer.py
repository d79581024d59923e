"""Two masters of one server, during an upgrade: what each of them may do meanwhile.

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

    :ivar predecessor: the process id of the master that started this one; 0 when there is
        none, or none any more.
    :ivar successor: the process id of the master that this one has started; 0 likewise.
    :ivar aside: our pidfile makes room for the successor's.
    """

    def __init__(self) -> None:
        self.predecessor = 0
        self.successor = 0
        self.aside = False
        self._shared: list[Listener] = []

    @property
    def alone(self) -> bool:
        """Whether this is the only master, and whoever is not served here is not served at all."""
        return not self.predecessor and not self.successor

    @property
    def role(self) -> str:
        """What the process title calls this master."""
        return f"master{NEW}" if self.predecessor else "master"

    @property
    def refusal(self) -> str:
        """Why there can be no upgrade now; empty when there can."""
        if self.successor:
            return f"the new master (pid:{self.successor}) of an earlier one is still there"
        if self.predecessor:
            return (
                f"this master is new itself, and the old one (pid:{self.predecessor}) is still"
                " there"
            )
        return ""

    def pidfile_path(self, path: str | None) -> str | None:
        """Where to write the pidfile that the configuration places at ``path``."""
        if path is None:
            return None
        if self.aside:
            return path + OLD
        # Whatever its scheme is: a master that makes room for us has moved its file by now.
        return path + NEW if self.predecessor and names(path, self.predecessor) else path

    # -- sockets ---------------------------------------------------------------------

    def inherit(self, handover: Handover) -> list[Listener]:
        """Open what the predecessor has handed over; returns what can be listened on.

        :raises BindError: when a descriptor is no socket.
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
        """The other master is gone: what was shared is ours alone, to keep or to remove."""
        self.predecessor = self.successor = 0
        self.aside = False
        for listener in self._shared:
            listener.shared = False
            if listener.closed:
                listener.unlink()
        self._shared = []

    def close(self) -> None:
        """At the end: remove the paths of shared sockets on which nobody listens any more.

        The other master may be at its end as well. Both have closed their sockets before they
        come here, so that the later one of them finds that nobody answers.
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
