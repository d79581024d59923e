"""The connection that a request came on, as the request cycle knows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corn_core.net import Listener
from corn_core.net.proxy import ProxyHeader


class ConnectionInfo:
    """Peer, listener and scheme of one connection.

    :ivar listener: the listener that accepted the connection.
    :ivar peer: the address as accept(2) gave it: a tuple, or text for a unix socket.
    :ivar sock: the connected socket; applications are offered another one, see ``offered``.
    :ivar proxy: the PROXY protocol's header about the client, if there was one.
    :ivar scheme: ``https`` when the connection itself is encrypted.
    :ivar variables: what the connection adds to the environ of each of its requests; ``None`` until
        the first of them, unless it is encrypted.
    :ivar touched: whether an application has used the socket that it was offered, if only to check
        that the client is still there.
    :ivar taken: whether it has taken the connection over; the server then sends nothing else.
    """

    __slots__ = ("listener", "peer", "proxy", "scheme", "sock", "taken", "touched", "variables")

    def __init__(self, listener: Listener, peer: Any, sock: Any, scheme: str = "http") -> None:
        self.listener = listener
        self.peer = peer
        self.proxy: ProxyHeader | None = None
        self.sock = sock
        self.scheme = scheme
        self.taken = False
        self.touched = False
        self.variables: Mapping[str, Any] | None = None

    def early(self) -> bytes:
        """Return what was received after the end of the present request."""
        return b""

    def address(self) -> dict[str, str]:
        """Return the peer's address as an environ has it: empty texts for a unix socket."""
        peer = self.peer
        host, port = (peer[0], str(peer[1])) if isinstance(peer, tuple) else ("", "")
        return {"REMOTE_ADDR": host, "REMOTE_PORT": port}

    @property
    def peer_host(self) -> str:
        """The address of the peer; empty for a unix socket."""
        return self.peer[0] if isinstance(self.peer, tuple) else ""
