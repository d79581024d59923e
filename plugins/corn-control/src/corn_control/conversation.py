"""One client of the control socket: reads requests, has them carried out, and writes answers."""

from __future__ import annotations

import socket
from collections.abc import Callable
from struct import Struct
from time import monotonic
from typing import Any, NamedTuple

from corn_control.protocol import Lines, Refusal, Request, answer, parse, refuse
from corn_core.typing import Server

PATIENCE = 10.0
"""Seconds that a client has to finish a line that it has begun, and to take an answer."""

IDLE = 300.0
"""Seconds that a client may stay without asking anything."""

_CHUNK = 8192
_UCRED = Struct("3i")

Check = Callable[[], Any]
"""Returns the answer once there is one, and None until then; raises Refusal if there will be
none."""

Run = Callable[["Conversation", Request], Any]
"""Carries a request out; returns the answer, or a :data:`Check`; raises Refusal."""


class Running(NamedTuple):
    """A request that takes its time."""

    request: Request
    check: Check
    deadline: float


class Conversation:
    """A connection in the master's loop; it never blocks, and what it buffers is bounded.

    A client has one request carried out at a time. What it sends meanwhile may be as long as one
    line. Nothing is answered in the turn of the loop in which it was asked: a signal that a
    command has sent to the master is obeyed before the first look at what has become of it.

    :param run: carries out requests.
    :param forget: called when this connection is closed.
    """

    def __init__(
        self,
        sock: socket.socket,
        server: Server,
        run: Run,
        forget: Callable[[Conversation], object],
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._server = server
        self._run = run
        self._forget = forget
        self._lines = Lines()
        self._running: Running | None = None
        self._ripe = False
        self._output = memoryview(b"")
        self._ended = False  # the client has closed its side, and may still read
        self._closing = False  # ours is closed when the output is written
        self._watched: bool | None = None  # whether for writing; None for not at all
        self._deadline = monotonic() + IDLE

    @property
    def peer(self) -> str:
        """The process and the user at the other end, as far as the system can tell (Linux)."""
        if not hasattr(socket, "SO_PEERCRED"):
            return "unknown"
        raw = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        pid, uid, _ = _UCRED.unpack(raw)
        return f"pid:{pid} uid:{uid}"

    @property
    def idle(self) -> bool:
        """True if it waits for nothing."""
        return self._running is None and not self._output

    def start(self) -> None:
        """Wait for the first request."""
        self._watch(writable=False)

    def close(self) -> None:
        self._watch(None)
        self.sock.close()
        self._forget(self)

    # -- called when time has passed, or something has happened ------------------------------

    def tend(self, now: float) -> None:
        """Look whether the request that runs is done, and whether the client takes too long."""
        self.check(now)
        if self._running is not None or now < self._deadline:
            return
        if self._output or not len(self._lines):
            self.close()
        else:
            self._finish(Refusal("too-slow", f"the line was not finished in {PATIENCE:g} seconds"))

    def check(self, now: float) -> None:
        """Answer the request that runs, if it is done or its time is over."""
        running = self._running
        if running is None or not self._ripe:
            return
        try:
            result = running.check()
            if result is None and now >= running.deadline:
                seconds = f"{running.request.timeout:g} seconds"
                raise Refusal("timeout", f"not done within {seconds}; it goes on")
        except Refusal as refusal:
            self._answer(running.request, refusal)
            return
        if result is not None:
            self._answer(running.request, result)

    def end(self) -> None:
        """Answer what can be answered before the server exits, and close."""
        self._ripe = True
        self.check(monotonic())
        if self._running is not None:
            self._answer(self._running.request, Refusal("stopping", "the server has stopped"))
        try:
            while self._output:
                self._output = self._output[self.sock.send(self._output) :]
        except OSError:
            pass  # the client is gone, or does not read: it will find the connection closed
        self.close()

    # -- reading -----------------------------------------------------------------------------

    def _on_readable(self) -> None:
        try:
            data = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            self._on_end()
            return
        if not len(self._lines):
            self._deadline = monotonic() + PATIENCE
        self._lines.feed(data)
        self._serve()

    def _on_end(self) -> None:
        """Let a client that has closed its side have the answer that it waits for."""
        if self._running is None:
            self.close()
        else:
            # An end stays readable, and would keep the loop from sleeping.
            self._ended = True
            self._watch(None)

    def _serve(self) -> None:
        """Take the next request, unless one is being answered."""
        if self._running is not None or self._output:
            if len(self._lines) > 2 * _CHUNK:
                self.close()  # it sends without reading
            return
        request = None
        try:
            line = self._lines.next()
            if line is None:
                return
            request = parse(line)
            result = self._run(self, request)
        except Refusal as refusal:
            if request is None and refusal.code == "too-long":
                self._finish(refusal)
            else:
                self._answer(request, refusal)
            return
        check = result if callable(result) else lambda: result
        self._running = Running(request, check, monotonic() + request.timeout)
        self._ripe = False
        self._watch(writable=True)

    # -- writing -----------------------------------------------------------------------------

    def _answer(self, request: Request | None, result: object) -> None:
        self._running = None
        id = request.id if request is not None else getattr(result, "id", None)
        if isinstance(result, Refusal):
            result.id = id
            self._output = memoryview(refuse(result))
        else:
            self._output = memoryview(self._written(result, id))
        self._deadline = monotonic() + PATIENCE
        self._watch(writable=True)

    def _written(self, result: object, id: str | int | None) -> bytes:
        try:
            return answer(result, id)
        except (TypeError, ValueError, RecursionError) as error:
            self._server.log.error("Control: an answer cannot be written as JSON: %s", error)
            return refuse(Refusal("internal", f"the answer is not JSON: {error}", id))

    def _finish(self, refusal: Refusal) -> None:
        """Answer for the last time."""
        self._closing = True
        self._answer(None, refusal)

    def _on_writable(self) -> None:
        if self._running is not None:
            # The turn of the loop in which it was asked is over.
            self._ripe = True
            self._watch(None if self._ended else False)
            self.check(monotonic())
            return
        try:
            self._output = self._output[self.sock.send(self._output) :]
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if self._output:
            return
        if self._closing:
            self.close()
            return
        self._deadline = monotonic() + (PATIENCE if len(self._lines) else IDLE)
        self._watch(None if self._ended else False)
        self._serve()
        if self._ended and self._running is None and not self._output:
            self.close()  # what is left, if anything, is not a whole line

    def _watch(self, writable: bool | None) -> None:
        if writable is self._watched:
            return
        if self._watched is not None:
            self._server.unwatch(self.sock)
        self._watched = writable
        if writable is not None:
            callback = self._on_writable if writable else self._on_readable
            self._server.watch(self.sock, callback, writable=writable)
