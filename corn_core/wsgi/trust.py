"""Decides which peers are trusted when they describe the client behind them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from corn_core.errors import BadRequest
from corn_core.http import Request
from corn_core.setting import Expected, comma_separated

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

_MEMO_LIMIT = 1024

_Values = tuple[str | None, ...]


def parse_peers(raw: object) -> list[str]:
    """Parse a list of trusted peers: ``*``, addresses, and networks as ADDRESS/BITS."""
    peers = comma_separated(raw)
    for peer in peers:
        if peer == "*" or _canonical(peer) is not None:
            continue
        try:
            _network(peer)
        except ValueError:
            raise Expected(
                "'*', or IP addresses and networks such as 10.0.0.0/8, with no bit set beyond"
                f" the network's prefix (not {peer!r})"
            ) from None
    return peers


def _canonical(address: str) -> str | None:
    """Spell an address as accept(2) does; returns None if it is not an address."""
    # The socket module does this without the import of ipaddress.
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return _unmapped(socket.inet_ntop(family, socket.inet_pton(family, address)))
        except (OSError, ValueError):
            continue
    return None


def _unmapped(address: str) -> str:
    """Return 192.0.2.1 for ::ffff:192.0.2.1, which is how an IPv6 socket shows it."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _network(text: str) -> IPv4Network | IPv6Network:
    from ipaddress import ip_network  # lazy: most lists have plain addresses only

    if "/" not in text:
        raise ValueError(text)
    return ip_network(text)


def peer_test(peers: list[str]) -> Callable[[Any], bool]:
    """Return a function that tells whether a peer, as accept(2) gave it, is in the list.

    The peer of a unix socket always is, because the permissions of the path have let it in.
    """
    if "*" in peers:
        return lambda peer: True
    plain = {canonical for peer in peers if (canonical := _canonical(peer)) is not None}
    networks = [_network(peer) for peer in peers if "/" in peer]
    memo: dict[str, bool] = {}

    def trusted(peer: Any) -> bool:
        if not isinstance(peer, tuple):
            return True
        host: str = peer[0]
        known = memo.get(host)
        if known is None:
            if len(memo) >= _MEMO_LIMIT:
                # Clients choose their addresses, but not how much memory of the worker they fill.
                memo.clear()
            known = memo[host] = _is_listed(_unmapped(host), plain, networks)
        return known

    return trusted


def _is_listed(host: str, plain: set[str], networks: list[IPv4Network | IPv6Network]) -> bool:
    if host in plain:
        return True
    if not networks:
        return False
    from ipaddress import ip_address  # lazy: as above

    address = ip_address(host)
    return any(address in network for network in networks)


class SchemeFields:
    """Reads the fields by which a front-end says that its client used https.

    :param secure: the setting ``secure_scheme_headers``.
    :ivar keys: the environ names of these fields. :meth:`read` is for requests that have one of
        them, from a peer that is trusted.
    """

    def __init__(self, secure: Mapping[str, str]) -> None:
        self._secure = {
            "HTTP_" + name.replace("-", "_"): (name, value) for name, value in secure.items()
        }
        self.keys = frozenset(self._secure)
        # The last values and what they meant. A front end sends the same with most requests.
        self._last: tuple[_Values, str] = ((), "")

    def read(self, request: Request) -> str:
        """Return the scheme, ``http`` or ``https``.

        :raises BadRequest: when the fields contradict each other.
        """
        values = tuple(map(request.fields.get, self._secure))
        known, scheme = self._last
        return scheme if values == known else self._judge(request, values)

    def _judge(self, request: Request, values: _Values) -> str:
        claims = set()
        lists = False
        for value, (name, secure) in zip(values, self._secure.values(), strict=True):
            if value is None:
                continue
            lines = [value]
            if "," in value:
                # Perhaps a repeated field, which had its values joined: each line counts.
                lists = True
                lines = [text for header, text in request.headers if header == name] or lines
            for line in lines:
                claims.add("https" if line == secure else "http")
        if len(claims) > 1:
            raise BadRequest("the fields of secure_scheme_headers contradict each other")
        scheme = claims.pop()
        if not lists:
            # With lists, the same joined values may mean something else in another request.
            self._last = values, scheme
        return scheme
