"""A header of the PROXY protocol, which comes before everything else on a connection, TLS too."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from corn_core.worker import (
    BadProxyHeader,
    Forbidden,
    ProxyHeader,
    may_be_proxy_header,
    read_proxy_header,
)

if TYPE_CHECKING:
    from corn_core.worker import ClientLimits

RECEIVE = 8192


async def read_header(
    loop: asyncio.AbstractEventLoop, client: socket.socket, peer: Any, limits: ClientLimits
) -> ProxyHeader | None:
    """Take the header off a connection; None if it begins with something else.

    Octets are looked at before they are taken, so that whatever comes next, a TLS handshake
    perhaps, finds its own.

    :raises BadProxyHeader: when it is malformed, or takes too long.
    :raises Forbidden: when it is not from a proxy of ``proxy_allow_ips``.
    :raises OSError: when the client leaves without having sent anything.
    """
    timeout = limits.header_timeout or None
    seen = b""
    try:
        async with asyncio.timeout(timeout):
            while True:
                data = await _peek(loop, client)
                whole = seen + data
                header = _look(whole, peer, limits)
                if header is not None:
                    client.recv(header.length - len(seen))
                if header is not None or not _may_be(whole, limits):
                    return header
                # All of it is header, and leaving it there would wake the loop for ever.
                seen += client.recv(len(data))
    except TimeoutError:
        if seen:
            raise BadProxyHeader("it took too long") from None
        raise


def _may_be(data: bytes, limits: ClientLimits) -> bool:
    return limits.proxy is not None and may_be_proxy_header(data, limits.proxy.versions)


def _look(data: bytes, peer: Any, limits: ClientLimits) -> ProxyHeader | None:
    if limits.proxy is None or not _may_be(data, limits):
        return None
    if not limits.proxy.is_trusted(peer):
        raise Forbidden("a PROXY header from a peer that is not in proxy_allow_ips")
    return read_proxy_header(data)


async def _peek(loop: asyncio.AbstractEventLoop, client: socket.socket) -> bytes:
    """Return what has arrived, at least one octet, and leave it there."""
    while True:
        try:
            data = client.recv(RECEIVE, socket.MSG_PEEK)
        except BlockingIOError:
            await _readable(loop, client)
            continue
        if not data:
            raise ConnectionResetError("the client left before it had sent anything")
        return data


async def _readable(loop: asyncio.AbstractEventLoop, client: socket.socket) -> None:
    readable = asyncio.Event()
    loop.add_reader(client, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(client)
