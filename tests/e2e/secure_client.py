"""Requests over TLS, each on a connection of its own."""

from __future__ import annotations

import json
import ssl
from typing import Any

from corn_testkit.client import parse, read_all
from corn_testkit.server import Server
from corn_testkit.tls import secured


def fetch(
    server: Server,
    context: ssl.SSLContext,
    request: bytes,
    session: ssl.SSLSession | None = None,
) -> bytes:
    """Send a request, and read to the orderly end of the connection."""
    with secured(server.address.connect(), context, session) as client:
        client.sendall(request)
        return read_all(client)


def ask(server: Server, context: ssl.SSLContext) -> dict[str, Any]:
    """Return what ``secure:app`` says about the connection."""
    reply = parse(fetch(server, context, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert reply.status == 200, reply
    told: dict[str, Any] = json.loads(reply.body)
    return told
