"""Tells a service manager how the server is, in the states of sd_notify(3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from corn_core.plugin import hookimpl
from corn_systemd.notifier import Notifier, clock, notifier_for

if TYPE_CHECKING:
    from corn_core.typing import Server


class Status:
    """The hooks that report the state of one server.

    The server is ready when, for the first time and again after each reload, as many workers of
    the configuration in force serve as it wants.

    During an upgrade the old master speaks for the server, and the new one is silent until its
    turn has come: by default systemd listens to the main process only, and would take what the
    other one says for the state of the server. See :meth:`on_exit`.

    :param variables: those of ``plugin.VARIABLES``, empty when they are not set.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._notifier = Notifier()
        # As many workers as wanted serve; and the service manager has been told so.
        self._serving = self._announced = False
        self._prefix = ""
        self._warned = False

    @hookimpl
    def on_starting(self, server: Server) -> None:
        # Not earlier: in the background, the server is another process than the one started.
        self._notifier, problem = notifier_for(self._variables, server.pid)
        if problem:
            server.log.warning("%s", problem)
        if server.cfg.daemon:
            server.log.warning("daemon: a service manager may not listen to this; leave it out")
        self._send(server, "STATUS=Starting")

    @hookimpl
    def when_serving(self, server: Server) -> None:
        self._serving = True
        self._announce(server)

    @hookimpl
    def on_tick(self, server: Server) -> None:
        if not server.predecessor:
            # It may have been there until now, so that this server was ready and did not say so.
            self._announce(server)
            self._notifier.beat()
            self._complain(server)

    @hookimpl
    def nworkers_changed(self, server: Server) -> None:
        if self._announced and not server.stopping:
            self._send(server, f"STATUS={self._state(server)}")

    @hookimpl
    def on_reload(self, server: Server) -> None:
        self._serving = self._announced = False
        self._prefix = ""
        self._send(server, "RELOADING=1", clock(), "STATUS=Reloading")

    @hookimpl
    def reload_failed(self, server: Server) -> None:
        if self._serving:
            # It failed too early for on_reload, and systemd waits for both messages.
            self.on_reload(server)
        self._prefix = "Reload failed. "

    @hookimpl
    def on_stopping(self, server: Server, reason: str) -> None:
        """Report that the service goes down, unless a successor continues it."""
        if not server.successor:
            self._send(server, "STOPPING=1", f"STATUS=Stopping. {reason}".strip())

    @hookimpl
    def on_exit(self, server: Server) -> None:
        """Report that the successor, if there is one, is the main process now.

        It has to be said before this process is gone, which would be the end of the service;
        and not sooner, because until then it is this process that feeds the watchdog.
        """
        if server.successor:
            self._send(server, f"MAINPID={server.successor}")

    def _announce(self, server: Server) -> None:
        if self._serving and not self._announced and not server.predecessor and not server.stopping:
            self._announced = True
            status = f"STATUS={self._state(server)}"
            self._send(server, "READY=1", f"MAINPID={server.pid}", status)

    def _state(self, server: Server) -> str:
        wanted = server.num_workers
        return f"{self._prefix}Serving with {wanted} {'worker' if wanted == 1 else 'workers'}"

    def _send(self, server: Server, *assignments: str) -> None:
        if not server.predecessor:
            self._notifier.send(*assignments)
            self._complain(server)

    def _complain(self, server: Server) -> None:
        if self._notifier.problem and not self._warned:
            self._warned = True
            server.log.warning(
                "The service manager cannot be told anything (NOTIFY_SOCKET): %s",
                self._notifier.problem,
            )
