"""What a service manager is told about the server, and when."""

from __future__ import annotations

from collections.abc import MutableMapping
from math import inf
from time import monotonic

from corn_core.arbiter.peer import PeerMaster
from corn_core.arbiter.server import ServerState
from corn_core.process.notify import Notifier, clock, take_notifier


class Bulletin:
    """Reports the state of the server, as sd_notify(3) names the states.

    The server is ready when, for the first time and again after each reload, as many workers
    of the configuration in force serve as it wants.

    During an upgrade the old master speaks for the server, and the new one is silent until its
    turn has come: by default systemd listens to the main process only, and would take what the
    other one says for the state of the server. See :meth:`hand_on`.

    :param server: the master.
    :param peer: the other master during an upgrade.
    """

    def __init__(self, server: ServerState, peer: PeerMaster) -> None:
        self._server = server
        self._peer = peer
        self._notifier = Notifier()
        self._complete = False
        self._ending = False
        self._prefix = ""
        self._status = ""
        self._warned = False

    def open(self, environ: MutableMapping[str, str]) -> None:
        """Learn from the environment who wants to be told, and remove it from there."""
        self._notifier, problem = take_notifier(environ, self._server.pid)
        if problem:
            self._server.log.warning("%s; it is ignored", problem)

    def starting(self) -> None:
        self._send(_status("Starting"))

    @property
    def due(self) -> float:
        """When :meth:`beat` should be called, as ``time.monotonic()`` counts."""
        return inf if self._silent else self._notifier.due

    @property
    def _silent(self) -> bool:
        return self._peer.predecessor != 0

    def tend(self) -> float:
        """Do what :meth:`beat` does; returns after how many seconds it should be called again."""
        now = monotonic()
        self.beat(now)
        return max(0.0, self.due - now)

    def beat(self, now: float) -> None:
        """Say that the master's loop turns, if that is to be said now."""
        if not self._silent:
            self._notifier.beat(now)
            self._complain()

    def note_serving(self, serving: int) -> None:
        """Say that the server is ready, once it is; and how many workers it wants.

        :param serving: the workers of the configuration in force that serve.
        """
        wanted = self._server.num_workers
        if self._silent or self._ending or (not self._complete and serving < wanted):
            return
        status = f"{self._prefix}Serving with {wanted} {'worker' if wanted == 1 else 'workers'}"
        if not self._complete:
            self._complete = True
            self._send("READY=1", f"MAINPID={self._server.pid}", _status(status))
        elif status != self._status:
            self._send(_status(status))
        self._status = status

    def reloading(self) -> None:
        self._complete, self._prefix = False, ""
        self._send("RELOADING=1", clock(), _status("Reloading"))

    def reload_failed(self) -> None:
        """The server goes on as it was, and says so when it is complete again."""
        self._prefix = "Reload failed. "

    def stopping(self, reason: str) -> None:
        """Say that the server goes down, unless a successor goes on; ``reason`` may be empty."""
        self._ending = True
        if not self._peer.successor:
            self._send("STOPPING=1", _status(f"Stopping. {reason}".strip()))

    def hand_on(self) -> None:
        """At the very end: say that the successor, if there is one, is the main process now.

        It has to be said before this process is gone, which would be the end of the service;
        and not sooner, for until then it is this process that feeds the watchdog.
        """
        if self._peer.successor:
            self._send(f"MAINPID={self._peer.successor}")

    def _send(self, *assignments: str) -> None:
        if not self._silent:
            self._notifier.send(*assignments)
            self._complain()

    def _complain(self) -> None:
        if self._notifier.problem and not self._warned:
            self._warned = True
            self._server.log.warning(
                "The service manager cannot be told anything (NOTIFY_SOCKET): %s",
                self._notifier.problem,
            )


def _status(text: str) -> str:
    return f"STATUS={text}"
