"""Worker classes that each break one clause of what a worker must do, and keep all others."""

from __future__ import annotations

import os
import signal
import socket
from typing import Any

from corn_core.http import RequestParser
from corn_core.serving.connection import Connection
from corn_core.serving.driver import Phase, Waiting
from corn_core.serving.selector import SelectorDriver
from corn_core.serving.settings import ClientLimits, client_limits
from corn_core.worker import Worker


class Sound(Worker):
    """The one that all others are but for one thing; ``KeepAliveWorker`` by its parts."""

    capabilities = frozenset({"keepalive", "socket", "turns", "uploads"})
    driver_class: type[SelectorDriver] = SelectorDriver
    connection_class: type[Connection] = Connection

    def limits(self) -> ClientLimits:
        return client_limits(self.cfg, self.cfg.keepalive)

    def driver(self) -> SelectorDriver:
        driver = self.driver_class(self, self.limits())
        if self.ssl_context is None:
            driver.connection_class = self.connection_class
        return driver

    def run(self) -> None:
        self.driver().run()


# -- stopping ------------------------------------------------------------------------


class DropsRequestsInFlight(Sound):
    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        super().run()


class DoesNotDrain(Sound):
    def run(self) -> None:
        driver = self.driver()
        driver.open()
        while self.alive:
            driver.step()


class StaysOpen(Sound):
    """Lets clients into the backlog of its own socket, while it finishes its last request."""

    def refuse_clients(self) -> None:
        pass


class IgnoresTerm(Sound):
    def run(self) -> None:
        signal.signal(signal.SIGTERM, lambda *_: None)
        super().run()


class SwallowsQuit(Sound):
    def run(self) -> None:
        signal.signal(signal.SIGQUIT, lambda *_: None)
        super().run()


class ForgetsIdleConnections(Sound):
    """Waits for kept connections as if it were not to stop."""

    class driver_class(SelectorDriver):
        def hurry_idle(self) -> None:
            pass


class OutlivesItsMaster(Sound):
    def look_for_master(self, gone: bool = False) -> None:
        pass


class DiesOfHangup(Sound):
    def run(self) -> None:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        super().run()


# -- replacing -----------------------------------------------------------------------


class NeverNotifies(Sound):
    def run(self) -> None:
        slot = self.slot

        class Silent:
            def __getattr__(self, name: str) -> Any:
                return getattr(slot, name)

            def beat(self, now: float) -> None:
                pass

        self.slot = Silent()
        super().run()


class DoesNotCountRequests(Sound):
    def request_done(self) -> None:
        pass


class ClaimsLongRequests(Sound):
    capabilities = frozenset({"keepalive", "long-requests"})


# -- connections ---------------------------------------------------------------------


class ClaimsKeepalive(Sound):
    def limits(self) -> ClientLimits:
        return client_limits(self.cfg, keepalive=0)


class KeepsInSecret(Sound):
    capabilities = frozenset()


class ClaimsConcurrency(Sound):
    capabilities = frozenset({"keepalive", "concurrency"})


class LeaksDescriptors(Sound):
    class driver_class(SelectorDriver):
        def forget(self, connection: Any) -> None:
            os.dup(connection.fd)
            super().forget(connection)


class AnswersBehindTheApplicationsBack(Sound):
    class connection_class(Connection):
        __slots__ = ()
        taken = property(lambda self: False, lambda self, value: None)


class KeepsWhatCameEarly(Sound):
    class connection_class(Connection):
        __slots__ = ()

        def early(self) -> bytes:
            return b""


class WaitsForSlowClients(Sound):
    class connection_class(Connection):
        __slots__ = ()

        def start(self) -> None:
            self.sock.recv(20, socket.MSG_PEEK | socket.MSG_WAITALL)
            super().start()


class HasOneDoor(Sound):
    def run(self) -> None:
        self.listeners = self.listeners[:1]
        super().run()


class StaysClosed(Sound):
    """Does not accept again when it once had too many connections."""

    class driver_class(SelectorDriver):
        def step(self) -> None:
            self.crowded = False
            super().step()


class IgnoresTls(Sound):
    def run(self) -> None:
        self.ssl_context = None
        super().run()


class AnswersThemAllFirst(Sound):
    """Takes one new client in each round of those that are in."""

    class driver_class(SelectorDriver):
        def _accept_between(self, acceptable: set[int]) -> None:
            pass

        def on_tick(self, now: float) -> None:
            super().on_tick(now)
            # It is called in every step, at its end.
            self.next_tick = 0.0
            for fd in self.acceptors if self.accepting else ():
                self.acceptors[fd](1)

        def wait(self) -> list[tuple[int, int]]:
            return self.poller.wait(0.01)


class AnswersPipelinesToTheirEnd(Sound):
    class driver_class(SelectorDriver):
        def postpone(self, connection: Waiting) -> None:
            connection.go_on()


class ReadsUploadsAtOnce(Sound):
    class driver_class(SelectorDriver):
        def queue_upload(self, connection: Waiting) -> None:
            connection.go_on()


class ReadsWhateverComes(Sound):
    class connection_class(Connection):
        __slots__ = ()

        def on_event(self, mask: int) -> None:
            if self.phase is Phase.READY:
                self.parser.feed(self.sock.recv(65536))
            else:
                super().on_event(mask)


class TakesAllClients(Sound):
    """The first of four workers does."""

    capabilities = frozenset({"keepalive", "balance"})

    def run(self) -> None:
        if self.age > 1:
            self.listeners = ()
        super().run()


class ForgetsEverySecond(Sound):
    """Serves half of its clients four times as often as the others."""

    class driver_class(SelectorDriver):
        preferred = 0

        def wait(self) -> list[tuple[int, int]]:
            events = super().wait()
            chosen = [each for each in events if each[0] % 2 or each[0] not in self.connections]
            self.preferred += len(chosen)
            # Counted in requests, because rounds may pass before a slow client asks again.
            if len(self.connections) > 10 and self.preferred < 2 * len(self.connections):
                return chosen
            self.preferred = 0
            return events


# -- requests ------------------------------------------------------------------------


class IgnoresLimits(Sound):
    def limits(self) -> ClientLimits:
        limits = super().limits()
        return limits._replace(http=limits.http.__class__())


class ForgivesBadFields(Sound):
    class connection_class(Connection):
        __slots__ = ()

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            self.parser = ForgivingParser(self.driver.limits.http)


class ForgivingParser(RequestParser):
    def feed(self, data: bytes) -> None:
        super().feed(data.replace(b" :", b":"))


class NeverSaysContinue(Sound):
    class connection_class(Connection):
        __slots__ = ()

        def _send_continue(self) -> None:
            pass


class SendsFilesFromTheirBeginning(Sound):
    class connection_class(Connection):
        __slots__ = ()

        def send_file(self, fd: int, offset: int, count: int) -> None:
            super().send_file(fd, 0, count)


# -- hooks and logs ------------------------------------------------------------------


class LosesPostRequest(Sound):
    def run(self) -> None:
        self.cycle._events._post_request = None
        super().run()


class LosesPostRequestOfFailures(Sound):
    def run(self) -> None:
        call = self.cycle._events._post_request

        def selective(**arguments: Any) -> list[Any]:
            assert call is not None
            return [] if arguments["resp"].status_code == 500 else call(**arguments)

        self.cycle._events._post_request = selective
        super().run()


class WritesNoAccessLog(Sound):
    def run(self) -> None:
        self.log.access_enabled = False
        super().run()


class DoesNotReopen(Sound):
    def run(self) -> None:
        signal.signal(signal.SIGUSR1, lambda *_: None)
        super().run()


class WritesTracebacks(Sound):
    def run(self) -> None:
        super().run()
        try:
            raise OSError("the socket is no more")
        except OSError:
            self.log.exception("while stopping")
