"""The metrics listener in the master, and the answers it gives."""

from __future__ import annotations

import errno
from collections import Counter
from time import monotonic

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from corn_core.plugin import BindError, Listener, open_listener, parse_address
from corn_core.typing import Server
from corn_prometheus.client import Answer, Client
from corn_prometheus.families import Families
from corn_prometheus.tally import Counting, Tally

CLIENTS = 32
"""The most connections at a time; more are closed at once. Scraping never needs that many."""

PATIENCE = 5.0
"""Seconds that a client has to send its request and take the answer."""

TEXT = "text/plain; charset=utf-8"


class Exporter:
    """Answers on its own listener, in the master's loop.

    :ivar tally: what the workers count; ``counting`` holds the hooks that do it.
    :ivar exits: the number of worker exits, by reason.
    """

    def __init__(self) -> None:
        self.tally = Tally()
        self.counting = Counting(self.tally)
        self.exits: Counter[str] = Counter()
        self._families = Families(self.tally, self.exits)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._families)
        self._server: Server | None = None
        self._listener: Listener | None = None
        self._wanted: str | None = None
        self._failed: str | None = None
        self._clients: dict[Client, float] = {}

    # -- the listener ----------------------------------------------------------------

    def open_first(self, server: Server) -> None:
        """Listen, before anything else is opened.

        :raises BindError: when that is not possible, unless the address is still in use by the
            master that this one replaces.
        """
        self._wanted = server.cfg.metrics_bind
        if self._wanted is not None and not server.predecessor:
            self._listener = self._open(self._wanted)

    def attach(self, server: Server) -> None:
        """Start answering."""
        self._server = self._families.server = server
        if self._listener is not None:
            self._greet(self._listener, server)

    def tend(self, server: Server) -> None:
        """Follow the configuration, and close clients that take too long; called once a second."""
        # A reload may have turned metrics on.
        self._server = self._families.server = server
        now = monotonic()
        for client in [each for each, deadline in self._clients.items() if deadline <= now]:
            client.close()
        wanted = server.cfg.metrics_bind
        if wanted == self._wanted and (wanted is None) == (self._listener is None):
            return
        if wanted is None:
            self.close()
            self._wanted = None
            return
        try:
            listener = self._open(wanted)
        except BindError as error:
            self._report(wanted, error, server)
            return
        self.close()
        self._wanted, self._listener, self._failed = wanted, listener, None
        self._greet(listener, server)

    def _report(self, wanted: str, error: BindError, server: Server) -> None:
        """Log once why an address, which is retried every second, cannot be used."""
        if self._failed != wanted and not server.predecessor:
            server.log.error("Metrics: %s; still trying", error)
            self._failed = wanted

    def _open(self, text: str) -> Listener:
        address = parse_address(text)
        try:
            return open_listener(address, backlog=CLIENTS)
        except OSError as error:
            hint = "; metrics_bind needs one of its own" if error.errno == errno.EADDRINUSE else ""
            raise BindError(f"cannot listen on {address}: {error.strerror}{hint}") from None

    def _greet(self, listener: Listener, server: Server) -> None:
        server.log.info("Metrics at: %s", listener)
        server.watch(listener, self._accept)

    def leave(self) -> None:
        """Close the master's descriptors in a process forked from it."""
        for client in self._clients:
            client.sock.close()
        self._clients.clear()
        if self._listener is not None:
            self._listener.close()

    def close(self) -> None:
        """Stop answering."""
        for client in list(self._clients):
            client.close()
        if self._listener is not None:
            if self._server is not None:
                self._server.unwatch(self._listener)
            self._listener.unlink()
            self._listener.close()
            self._listener = None

    # -- the clients -----------------------------------------------------------------

    def _accept(self) -> None:
        assert self._listener is not None and self._server is not None
        try:
            sock, _ = self._listener.socket.accept()
        except OSError:
            return  # it has gone again, or there is no descriptor left for it: the next scrape
        if len(self._clients) >= CLIENTS:
            sock.close()
            return
        client = Client(sock, self._server, self.answer, self._clients.pop)
        self._clients[client] = monotonic() + PATIENCE
        client.start()

    def _unready(self) -> str:
        """Return why no new clients should be sent here; empty if they may be."""
        server = self._server
        if server is None:
            return "the server is starting"
        if server.successor:
            return ""  # whatever this master does, new clients are the successor's
        if server.stopping:
            return "the server is stopping"
        ready = any(worker.state in ("idle", "busy") for worker in server.snapshot())
        return "" if ready else "no worker is ready"

    def answer(self, path: str, accept: str) -> Answer:
        """Answer a request for a path.

        :param accept: the value of the field Accept.
        """
        if path == "/metrics":
            encode, content_type = choose_encoder(accept)
            return Answer("200 OK", content_type, encode(self._registry))
        if path == "/livez":
            return Answer("200 OK", TEXT, b"ok\n")
        if path == "/readyz":
            reason = self._unready()
            if reason:
                return Answer("503 Service Unavailable", TEXT, f"{reason}\n".encode())
            return Answer("200 OK", TEXT, b"ok\n")
        return Answer("404 Not Found", TEXT, b"there are /metrics, /livez and /readyz\n")
