"""Builds environs of requests that came through a proxy which speaks the PROXY protocol."""

from __future__ import annotations

from corn_core.http import Request
from corn_core.net.proxy import V1, V2
from corn_core.setting import Expected, Setting
from corn_core.wsgi.body import RequestBody
from corn_core.wsgi.connection import ConnectionInfo
from corn_core.wsgi.environ import Environ, EnvironBuilder
from corn_core.wsgi.trust import parse_peers

_VERSIONS = {
    "off": frozenset[str](),
    "v1": frozenset({V1}),
    "v2": frozenset({V2}),
    "auto": frozenset({V1, V2}),
}
_BOOLEANS = {"true": "auto", "false": "off"}


def _mode(raw: object) -> str:
    text = str(raw).strip().lower() if isinstance(raw, (bool, str)) else ""
    mode = _BOOLEANS.get(text, text)
    if mode not in _VERSIONS:
        raise Expected("off, v1, v2 or auto (true means auto)")
    return mode


def versions_of(mode: str) -> frozenset[str]:
    """Return the versions of the PROXY protocol that ``proxy_protocol`` allows."""
    return _VERSIONS[mode]


SETTINGS = (
    Setting(
        name="proxy_protocol",
        section="Server Mechanics",
        parse=_mode,
        default="off",
        help=(
            "Accept the PROXY protocol, by which a proxy that forwards whole connections"
            " (HAProxy, stunnel, a network load balancer) names their clients. A config file may"
            " name the version, v1 or v2; the flag allows both. The client's address is then in"
            " REMOTE_ADDR and REMOTE_PORT, and the address it connected to in PROXY_ADDR and"
            " PROXY_PORT. Connections without such a header are served as usual."
        ),
        flags=("--proxy-protocol",),
        action="store_true",
    ),
    Setting(
        name="proxy_allow_ips",
        section="Server Mechanics",
        parse=parse_peers,
        default=["127.0.0.1", "::1"],
        help=(
            "The proxies that may use the PROXY protocol: addresses and networks (10.0.0.0/8),"
            " separated by commas, or * for all. A header from any other peer is answered with"
            " 403. Clients of a unix socket are always allowed."
        ),
        flags=("--proxy-allow-from",),
        metavar="ADDRESSES",
    ),
)


class ProxiedEnvironBuilder(EnvironBuilder):
    """Puts the client's address in the proxy's place, for connections with a PROXY header.

    Whether the fields of a front end are trusted still depends on the proxy's own address.
    """

    def build(self, request: Request, body: RequestBody, connection: ConnectionInfo) -> Environ:
        return _name_client(super().build(request, body, connection), connection)

    def describe(self, request: Request | None, connection: ConnectionInfo) -> Environ:
        return _name_client(super().describe(request, connection), connection)


def _name_client(environ: Environ, connection: ConnectionInfo) -> Environ:
    header = connection.proxy
    if header is not None and header.source is not None and header.destination is not None:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = header.source[0], str(header.source[1])
        environ["PROXY_PROTOCOL"] = header.protocol
        environ["PROXY_ADDR"] = header.destination[0]
        environ["PROXY_PORT"] = str(header.destination[1])
    return environ
