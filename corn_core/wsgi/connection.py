"""What the request cycle knows about the connection that a request came on."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from corn_core.net import Listener
    from corn_core.net.proxy import ProxyHeader


class ConnectionInfo:
    """Who is at the other end, and of which listener; made once a connection.

    :ivar listener: the listener that accepted the connection.
    :ivar peer: the address as accept(2) gave it: a tuple, or text for a unix socket.
    :ivar sock: the connected socket, offered to applications as ``corn.socket``.
    :ivar proxy: what the PROXY protocol said of the client, if it said anything.
    :ivar scheme: ``https`` when the connection itself is encrypted.
    :ivar variables: what an encrypted connection adds to the environ of its requests.
    """

    __slots__ = ("listener", "peer", "proxy", "scheme", "sock")

    variables: Mapping[str, Any] = MappingProxyType({})

    def __init__(self, listener: Listener, peer: Any, sock: Any, scheme: str = "http") -> None:
        self.listener = listener
        self.peer = peer
        self.proxy: ProxyHeader | None = None
        self.sock = sock
        self.scheme = scheme

    @property
    def peer_host(self) -> str:
        """The address of the peer; empty for a unix socket."""
        return self.peer[0] if isinstance(self.peer, tuple) else ""

    @property
    def peer_port(self) -> str:
        """The port of the peer in decimal; empty for a unix socket."""
        return str(self.peer[1]) if isinstance(self.peer, tuple) else ""
