"""The handshake of a WebSocket (RFC 6455 section 4.2), without I/O."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING

from websockets.exceptions import InvalidHeader, NegotiationError
from websockets.extensions.permessage_deflate import (
    PerMessageDeflate,
    ServerPerMessageDeflateFactory,
)
from websockets.headers import build_extension, parse_extension, parse_subprotocol
from websockets.utils import accept_key

from corn_core.plugin import BadRequest

if TYPE_CHECKING:
    from corn_core.http import Request

WEBSOCKET_VERSION = ("Sec-WebSocket-Version", "13")

# Each message is compressed by itself: a window that is kept for the next one takes some 300 kB for
# each socket. The window is small, as messages are, and so is the memory while one is compressed.
_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True,
    client_no_context_takeover=True,
    server_max_window_bits=12,
    client_max_window_bits=12,
    compress_settings={"memLevel": 5},
)


class BadHandshake(BadRequest):
    """A handshake that does not open a WebSocket."""


class UnknownVersion(BadHandshake):
    """A version of the protocol other than 13 (RFC 6455 section 4.4)."""

    status = 426
    reason = "Upgrade Required"


class Handshake:
    """A handshake that is in order, and that the application may accept.

    :ivar subprotocols: those that the client offers, in its order.
    """

    __slots__ = ("_extensions", "_key", "subprotocols")

    def __init__(self, key: str, subprotocols: list[str], extensions: str) -> None:
        self._key = key
        self._extensions = extensions
        self.subprotocols = subprotocols

    def fields(self) -> list[tuple[str, str]]:
        """Return the fields of the 101, without subprotocol and extensions."""
        return [("Upgrade", "websocket"), ("Sec-WebSocket-Accept", accept_key(self._key))]

    def negotiate(self) -> tuple[PerMessageDeflate, str] | None:
        """Accept the client's first offer of permessage-deflate that can be; None without one.

        The second part of the result is the value of ``Sec-WebSocket-Extensions``.
        """
        if not self._extensions:
            return None
        try:
            offers = parse_extension(self._extensions)
        except InvalidHeader:
            return None
        for name, parameters in offers:
            if name != _DEFLATE.name:
                continue
            try:
                agreed, extension = _DEFLATE.process_request_params(parameters, [])
            except NegotiationError:
                continue  # declined, as RFC 7692 section 7 has it
            return extension, build_extension([(name, list(agreed))])
        return None


def asks_for_websocket(request: Request) -> bool:
    """Tell whether a request offers to switch to WebSocket."""
    offered = request.fields.get("HTTP_UPGRADE", "").lower()
    return "websocket" in (each.strip(" \t") for each in offered.split(","))


def read_handshake(request: Request) -> Handshake:
    """Read a handshake. Host and HTTP/1.1 have been seen to by the parser.

    :raises BadHandshake: when it is not in order.
    """
    fields = request.fields
    if request.method != "GET":
        raise BadHandshake(f"a WebSocket is opened with GET, not {request.method}")
    if request.has_body:
        raise BadHandshake("a WebSocket is opened without a body")
    version = fields.get("HTTP_SEC_WEBSOCKET_VERSION")
    if version != WEBSOCKET_VERSION[1]:
        kind = BadHandshake if version is None else UnknownVersion
        raise kind("Sec-WebSocket-Version must be 13")
    key = fields.get("HTTP_SEC_WEBSOCKET_KEY", "")
    try:
        octets = base64.b64decode(key.encode("latin-1"), validate=True)
    except binascii.Error:
        octets = b""
    if len(octets) != 16:
        raise BadHandshake("Sec-WebSocket-Key must be 16 octets in base64")
    offered = fields.get("HTTP_SEC_WEBSOCKET_PROTOCOL", "")
    try:
        subprotocols: Sequence[str] = parse_subprotocol(offered) if offered else []
    except InvalidHeader:
        raise BadHandshake("malformed Sec-WebSocket-Protocol") from None
    extensions = fields.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", "")
    return Handshake(key, list(subprotocols), extensions)
