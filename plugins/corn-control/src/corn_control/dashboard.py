"""Shows the server in a browser: a page, and an event for it every second."""

from __future__ import annotations

import errno
import json
import logging
from collections import deque
from importlib.resources import files
from time import monotonic

from corn_control.following import Following
from corn_control.operations import Operations
from corn_control.viewer import Viewer
from corn_core.plugin import BindError, Listener, SimpleLogger, open_listener, parse_address
from corn_core.typing import Server

VIEWERS = 16
"""The most connections at a time; more are closed at once."""

LINES = 30
"""The last messages of the master's log that the page shows."""

_LONGEST = 300


class LastLines(logging.Handler):
    """Keeps the master's last messages, each as time, level and its first line."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: deque[tuple[float, str, str]] = deque(maxlen=LINES)

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().partition("\n")[0][:_LONGEST]
        self.lines.append((round(record.created, 3), record.levelname.lower(), text))


class Dashboard:
    """Answers on a listener of its own, in the master's loop.

    :param operations: where it gets what it shows.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._page = files("corn_control").joinpath("page.html").read_bytes()
        self._listener: Listener | None = None
        self._place = Following(self._listen, self.close)
        self._paused = False
        self._viewers: set[Viewer] = set()
        self._lines = LastLines()
        self._log: logging.Logger | None = None

    def open(self, server: Server) -> None:
        """Listen where the configuration says; a successor does so when its predecessor is gone.

        :raises BindError: when that is not possible.
        """
        wanted = self._place.wanted = server.cfg.dashboard
        if wanted is not None and not server.predecessor:
            self._listen(server, wanted)

    def tend(self, server: Server) -> None:
        """Follow the configuration, and tell the viewers how the server is; once a second."""
        self._place.follow(
            server,
            server.cfg.dashboard,
            listening=self._listener is not None,
            may_listen=not server.predecessor,
        )
        if self._paused and self._listener is not None:
            self._watch(server, self._listener)
        now = monotonic()
        listening = [viewer for viewer in self._viewers if viewer.listening]
        if listening:
            event = self.event(server)
            for viewer in listening:
                viewer.tell(event)
        for viewer in list(self._viewers):
            viewer.tend(now)

    def event(self, server: Server) -> bytes:
        """Return how the server is, as an event."""
        shown = {
            "at": monotonic(),
            "status": self._operations.status(server, {}),
            **self._operations.workers(server, {}),
            **self._operations.requests(server, {}),
            "log": list(self._lines.lines),
        }
        return b"data: " + json.dumps(shown, separators=(",", ":")).encode() + b"\n\n"

    def leave(self) -> None:
        """Close the master's descriptors in a process forked from it."""
        for viewer in self._viewers:
            viewer.sock.close()
        self._viewers.clear()
        if self._listener is not None:
            self._listener.close()
        self._listen_to(None)

    def close(self, server: Server) -> None:
        """Stop answering."""
        for viewer in list(self._viewers):
            viewer.close()
        if self._listener is not None:
            if not self._paused:
                server.unwatch(self._listener)
            self._listener.unlink()
            self._listener.close()
            self._listener = None
        self._listen_to(None)

    def _listen(self, server: Server, text: str) -> None:
        address = parse_address(text)
        try:
            listener = open_listener(address, backlog=VIEWERS)
        except OSError as error:
            hint = "; dashboard needs one of its own" if error.errno == errno.EADDRINUSE else ""
            reason = f"cannot listen on {address}: {error.strerror}{hint}"
            raise BindError(f"dashboard: {reason}") from None
        self._listener = listener
        self._listen_to(server.log.error_log if isinstance(server.log, SimpleLogger) else None)
        server.log.info("Dashboard at: %s", listener)
        self._watch(server, listener)

    def _watch(self, server: Server, listener: Listener) -> None:
        self._paused = False
        server.watch(listener, lambda: self._accept(server, listener))

    def _listen_to(self, log: logging.Logger | None) -> None:
        if self._log is not None:
            self._log.removeHandler(self._lines)
        self._log = log
        if log is not None:
            log.addHandler(self._lines)

    def _accept(self, server: Server, listener: Listener) -> None:
        try:
            sock, _ = listener.socket.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # it has gone again
        except OSError:
            # There is no descriptor left for it: it stays in the queue until the next tick.
            server.unwatch(listener)
            self._paused = True
            return
        if len(self._viewers) >= VIEWERS:
            sock.close()
            return
        self._viewers.add(Viewer(sock, server, self._page, self._viewers.discard))
