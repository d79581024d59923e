"""Reads the header of the PROXY protocol that may come first on a new connection.

The reader stands in for the connection until the header has been read. It looks at bytes before it
takes them from the socket, so that what comes next, such as a TLS handshake, is left for the
connection.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from corn_core.errors import BadProxyHeader, BadRequest, Forbidden
from corn_core.net.proxy import ProxyHeader, may_be_proxy_header, read_proxy_header
from corn_core.serving.connection import Connection
from corn_core.serving.driver import deadline_after
from corn_core.serving.poller import READABLE

if TYPE_CHECKING:
    from corn_core.net import Listener
    from corn_core.net.channel import PlainChannel
    from corn_core.serving.driver import Driver

PEEK = socket.MSG_DONTWAIT | socket.MSG_PEEK
RECEIVE = 8192


class ProxyHeaderReader:
    """Waits for the first bytes of a connection, under a driver as a connection is."""

    idle = False

    def __init__(
        self, driver: Driver, listener: Listener, sock: PlainChannel, peer: object
    ) -> None:
        self.driver = driver
        self.fd = sock.fileno()
        self.deadline = deadline_after(driver.limits.header_timeout)
        self.interest = 0
        self._listener = listener
        self._sock = sock
        self._peer = peer
        # Bytes that were taken from the socket because all of them look like a header.
        self._held = b""

    @property
    def peer_host(self) -> str:
        """The address of the peer; empty for a unix socket."""
        return self._peer[0] if isinstance(self._peer, tuple) else ""

    def start(self) -> None:
        """Look at what has arrived already."""
        self.on_event(READABLE)

    def on_event(self, mask: int) -> None:
        """Look at what has arrived, and take what belongs to the header."""
        try:
            data = self._sock.recv(RECEIVE, PEEK)
        except BlockingIOError:
            self._set_interest()
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            self._look(data)
        except BadRequest as error:
            self._refuse(error)

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
            self._set_interest()
            return
        self._sock.recv(header.length - len(self._held), socket.MSG_DONTWAIT)
        self._held = b""
        self._go_on(header)

    def _go_on(self, header: ProxyHeader | None) -> None:
        """Let the connection take over."""
        self._drop_interest()
        make = self.driver.connection_class
        connection = make(self.driver, self._listener, self._sock, self._peer)
        connection.proxy = header
        if self._held:
            # They looked like the beginning of a header, but belong to the request.
            connection.parser.feed(self._held)
        connection.start()

    def _refuse(self, error: BadRequest) -> None:
        """Answer in the clear, because a TLS handshake has not been made."""
        self._drop_interest()
        connection = Connection(self.driver, self._listener, self._sock, self._peer, False)
        connection.refuse(error)

    def expire(self) -> None:
        """Refuse half a header; close a connection that has sent nothing."""
        if self._held:
            self._refuse(BadProxyHeader("it took too long"))
        else:
            self.close()

    def close(self) -> None:
        """Close the socket."""
        self._drop_interest()
        self._sock.close()

    def _drop_interest(self) -> None:
        if self.interest:
            self.driver.forget(self)
            self.interest = 0

    def _set_interest(self) -> None:
        if not self.interest:
            self.driver.set_interest(self, READABLE)
            self.interest = READABLE
