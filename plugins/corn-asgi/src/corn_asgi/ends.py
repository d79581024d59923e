"""Describes the two ends of a connection, for the scopes of its requests."""

from __future__ import annotations

import asyncio
import os
import ssl
from functools import cache
from typing import TYPE_CHECKING, Any

from corn_asgi.scope import Ends, Place
from corn_core.worker import distinguished_name

if TYPE_CHECKING:
    from corn_core.worker import ConnectionInfo

_VERSIONS = {"TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}


def ends_of(info: ConnectionInfo, transport: asyncio.Transport) -> Ends:
    """Describe a connection.

    What the PROXY protocol has said of the client comes first: then the address that the client has
    connected to is the server's.
    """
    client: Place = info.peer[:2] if isinstance(info.peer, tuple) else None
    name = transport.get_extra_info("sockname")
    server: Place = name[:2] if isinstance(name, tuple) else (os.fsdecode(name or b""), None)
    proxy = info.proxy
    if proxy is not None and proxy.source is not None:
        client, server = proxy.source, proxy.destination
    session = transport.get_extra_info("ssl_object")
    return Ends(client, server, None if session is None else _tls(session))


def _tls(session: ssl.SSLObject) -> dict[str, Any]:
    """Return the extension ``tls`` (ASGI's TLS extension, version 0.2)."""
    cipher = session.cipher()
    der = session.getpeercert(binary_form=True)
    # Without verification there is no content, and the certificate cannot be trusted.
    content: dict[str, Any] = dict(session.getpeercert() or {}) if der else {}
    name = None
    if content:
        name = distinguished_name(content["subject"]).encode("latin-1").decode("utf-8", "replace")
    return {
        # Python's ssl module does not give a server its own certificate.
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der)] if der and content else [],
        "client_cert_name": name,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(session.version() or ""),
        "cipher_suite": _suites(session.context).get(cipher[0]) if cipher else None,
    }


@cache
def _suites(context: ssl.SSLContext) -> dict[str, int]:
    """Return the numbers of the cipher suites by OpenSSL's names (RFC 8446 appendix B.4)."""
    return {each["name"]: int(each["id"]) & 0xFFFF for each in context.get_ciphers()}
