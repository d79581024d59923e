"""A new connection on which a header of the PROXY protocol may come first.

It stands in for the connection proper until that is settled. Bytes are looked at before they are
taken from the socket, so that whatever comes next, a TLS handshake perhaps, finds its own.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from corn_core.errors import BadProxyHeader, BadRequest, Forbidden
from corn_core.net.proxy import ProxyHeader, may_be_proxy_header, read_proxy_header
from corn_core.serving.connection import Connection, deadline_after
from corn_core.serving.poller import READABLE

if TYPE_CHECKING:
    from corn_core.net import Listener
    from corn_core.serving.host import Driver

PEEK = socket.MSG_DONTWAIT | socket.MSG_PEEK
RECEIVE = 8192


class ProxyHeaderReader:
    """The first bytes of a connection, under a driver as a connection is."""

    idle = False

    def __init__(
        self, driver: Driver[Connection], listener: Listener, sock: socket.SocketType, peer: object
    ) -> None:
        self.driver = driver
        self.fd = sock.fileno()
        self.deadline = deadline_after(driver.limits.header_timeout)
        self.watched = 0
        self._listener = listener
        self._sock = sock
        self._peer = peer
        self._held = b""

    @property
    def peer_host(self) -> str:
        return self._peer[0] if isinstance(self._peer, tuple) else ""

    def start(self) -> None:
        self.on_event(READABLE)

    def on_event(self, mask: int) -> None:
        """Look at what has come, and take of it what belongs to the header."""
        try:
            data = self._sock.recv(RECEIVE, PEEK)
        except BlockingIOError:
            self._watch()
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            self._look(data)
        except BadRequest as error:
            self._admit(None, Connection).refuse(error)

    def _look(self, data: bytes) -> None:
        policy = self.driver.limits.proxy
        seen = self._held + data
        if policy is None or not may_be_proxy_header(seen, policy.versions):
            self._go_on(None)
            return
        if not policy.is_trusted(self._peer):
            raise Forbidden("a PROXY header from a peer that is not in proxy_allow_ips")
        header = read_proxy_header(seen)
        if header is None:
            # All of it is header, and leaving it there would wake the poller for ever.
            self._held += self._sock.recv(len(data), socket.MSG_DONTWAIT)
            self._watch()
            return
        self._sock.recv(header.length - len(self._held), socket.MSG_DONTWAIT)
        self._held = b""
        self._go_on(header)

    def _go_on(self, header: ProxyHeader | None) -> None:
        connection = self._admit(header, self.driver.connection_class)
        if self._held:
            # They looked like the beginning of a header, and were of the request.
            connection.parser.feed(self._held)
        connection.start()

    def _admit(self, header: ProxyHeader | None, kind: type[Connection]) -> Connection:
        """Give the socket to the connection proper, or to a plain one that can be refused."""
        if self.watched:
            self.driver.forget(self)
            self.watched = 0
        connection = kind(self.driver, self._listener, self._sock, self._peer)
        connection.proxy = header
        return connection

    def expire(self) -> None:
        if self._held:
            self._admit(None, Connection).refuse(BadProxyHeader("it took too long"))
        else:
            self.close()

    def close(self) -> None:
        if self.watched:
            self.driver.forget(self)
            self.watched = 0
        self._sock.close()

    def _watch(self) -> None:
        if not self.watched:
            self.driver.watch(self, READABLE)
            self.watched = READABLE
