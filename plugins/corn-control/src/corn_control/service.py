"""Takes commands in the master: listens, and has them carried out in the master's loop."""

from __future__ import annotations

import socket
from collections.abc import Callable
from time import monotonic
from typing import Any

from corn_control.conversation import Conversation
from corn_control.dashboard import Dashboard
from corn_control.endpoint import SUCCESSOR, Endpoint, hand_over
from corn_control.following import Following
from corn_control.operations import QUIET, REPORT, Events, Operations, offered
from corn_control.protocol import Refusal, Request, ask, refuse
from corn_control.shared import Observer, Shared, set_level
from corn_core.plugin import Command, CommandError, did_you_mean, escape
from corn_core.typing import Server

CLIENTS = 32
"""The most connections at a time; more are told so, and closed."""

_SHOWN = 200


class Service:
    """The control socket of one server.

    :ivar observer: the hooks of the workers, which write to ``shared``.
    """

    def __init__(self) -> None:
        self.shared = Shared()
        self.observer = Observer(self.shared)
        self._events = Events()
        operations = Operations(self.shared, self._events)
        self._commands = operations.commands()
        self._dashboard = Dashboard(operations)
        self._endpoint: Endpoint | None = None
        self._listening = False
        self._place = Following(self._listen, self._stop_listening)
        self._clients: set[Conversation] = set()
        self._beside = False  # the path is the predecessor's, and we are at another one
        self._reported = False

    # -- the life of the server --------------------------------------------------------------

    def open(self, server: Server) -> None:
        """Listen where the configuration says; a successor does so beside its predecessor.

        :raises BindError: when that is not possible.
        """
        wanted = self._place.wanted = server.cfg.control
        if wanted is not None:
            self._listen(server, wanted)
        self._dashboard.open(server)

    def on_serving(self, server: Server) -> None:
        self._events.served = server.generation
        self._report(server)
        self.check()

    def on_reload(self) -> None:
        # The new configuration has its own level.
        self.shared.level = 0

    def on_failure(self, server: Server, reason: str) -> None:
        if self.shared.level:
            # The configuration has been put in force again, with its own level.
            set_level(server.log, self.shared.level)
        self._events.fail(server.generation, reason)
        self.check()

    def tend(self, server: Server) -> None:
        """Follow the configuration and the other master, and hurry clients; once a second."""
        listening = self._endpoint is not None
        self._place.follow(server, server.cfg.control, listening=listening)
        self._dashboard.tend(server)
        if self._endpoint is not None:
            self._accept_again(server, self._endpoint)
        self._promote(server)
        if self._events.served:
            self._report(server)
        now = monotonic()
        for client in list(self._clients):
            if self._place.wanted is None and client.idle:
                client.close()
            else:
                client.tend(now)

    def check(self) -> None:
        """Answer the commands that are done."""
        now = monotonic()
        for client in list(self._clients):
            client.check(now)

    def end(self, server: Server) -> None:
        """Answer what waits for the end of the server, and leave the path to a successor."""
        self._events.over = True
        self._promote(server)
        if self._endpoint is not None:
            if server.successor:
                hand_over(self._endpoint.path + SUCCESSOR, self._endpoint.path)
            self._stop_listening(server)
        self._dashboard.close(server)
        # Last: a client that has its answer finds the successor at the path, or nothing.
        for client in list(self._clients):
            client.end()

    def leave(self) -> None:
        """Close the master's descriptors in a process forked from it."""
        for client in self._clients:
            client.sock.close()
        self._clients.clear()
        if self._endpoint is not None:
            self._endpoint.socket.close()
        self._dashboard.leave()

    # -- the socket --------------------------------------------------------------------------

    def _listen(self, server: Server, path: str) -> None:
        self._beside = bool(server.predecessor)
        self._endpoint = Endpoint(path + SUCCESSOR if self._beside else path)
        server.log.info("Control at: unix:%s", self._endpoint.path)
        self._accept_again(server, self._endpoint)

    def _stop_listening(self, server: Server) -> None:
        if self._endpoint is None:
            return
        if self._listening:
            server.unwatch(self._endpoint)
            self._listening = False
        self._endpoint.close()
        self._endpoint = None

    def _accept_again(self, server: Server, endpoint: Endpoint) -> None:
        if not self._listening:
            server.watch(endpoint, lambda: self._accept(server, endpoint))
            self._listening = True

    def _accept(self, server: Server, endpoint: Endpoint) -> None:
        try:
            sock, _ = endpoint.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it has gone again
        except OSError as error:
            # There is no descriptor left for it: it stays in the queue until the next tick.
            server.log.error("Control: cannot accept: %s", error.strerror)
            server.unwatch(endpoint)
            self._listening = False
            return
        if len(self._clients) >= CLIENTS:
            _turn_away(sock)
            return
        client = Conversation(sock, server, self._runner(server), self._clients.discard)
        self._clients.add(client)
        client.start()

    # -- the other master --------------------------------------------------------------------

    def _report(self, server: Server) -> None:
        """Tell the master that this one is to replace that it serves; tried until it succeeds."""
        if not server.predecessor or self._reported or self._place.wanted is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            try:
                sock.connect(self._place.wanted)
                sock.send(ask(Request(REPORT, {"pid": server.pid})))
            except OSError as error:
                # Its queue may be full. If its path is another one, it cannot be told at all.
                server.log.debug("Control: the old master cannot be told: %s", error.strerror)
                return
        self._reported = True

    def _promote(self, server: Server) -> None:
        """Take the path of the predecessor, once that is gone, or has given it to us at its end."""
        endpoint = self._endpoint
        if endpoint is None or not self._beside or (server.predecessor and endpoint.ours):
            return
        self._beside = False
        endpoint.move(endpoint.path.removesuffix(SUCCESSOR))
        server.log.info("Control at: unix:%s", endpoint.path)

    # -- commands ----------------------------------------------------------------------------

    def _runner(self, server: Server) -> Callable[[Conversation, Request], Any]:
        def run(client: Conversation, request: Request) -> Any:
            if request.command not in QUIET:
                server.log.info("Control: %s (%s)", _shown(request), client.peer)
            return self.run(server, request)

        return run

    def run(self, server: Server, request: Request) -> Any:
        """Carry a request out; returns its answer, or a function that returns it when it is done.

        :raises Refusal: when it cannot be.
        """

        def guarded(step: Callable[..., Any], *arguments: Any) -> Any:
            try:
                return step(*arguments)
            except Refusal:
                raise
            except CommandError as error:
                raise Refusal("refused", str(error)) from None
            except Exception:
                # Broad, because it may be a plugin's code, and the master must outlive it.
                server.log.exception("Control: the command %s failed", request.command)
                message = f"the command {request.command} failed; the server's log says how"
                raise Refusal("internal", message) from None

        command = guarded(self._find, server, request.command)
        result = guarded(command.run, server, request.arguments)
        return (lambda: guarded(result)) if callable(result) else result

    def _find(self, server: Server, name: str) -> Command:
        known = self._commands
        if name not in known:
            known = {**offered(server), **known}
        if name not in known:
            raise Refusal(
                "unknown-command", f"there is no command {name!r}{did_you_mean(name, known)}"
            )
        return known[name]


def _shown(request: Request) -> str:
    """Return a request for the log, of which the client cannot forge a line."""
    text = " ".join((request.command, *(f"{n}={v}" for n, v in request.arguments.items())))
    return escape(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")


def _turn_away(sock: socket.socket) -> None:
    with sock:
        sock.setblocking(False)
        try:
            sock.send(refuse(Refusal("busy", f"there are {CLIENTS} clients already")))
        except OSError:
            return  # it has gone by itself
