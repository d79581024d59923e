"""The PROXY protocol: how a proxy says whose connection it is passing on.

Implements both versions of HAProxy's specification ("The PROXY protocol", versions 1 and 2). The
header precedes everything else on a connection, TLS included, so a caller must be able to remove
it without touching a byte of what follows: :func:`read_proxy_header` says how long it is.
"""

from __future__ import annotations

import socket
from typing import NamedTuple

from corn_core.errors import BadProxyHeader

V1 = "v1"
V2 = "v2"

_V1_SIGNATURE = b"PROXY "
# Section 2.1: the longest line of version 1, with the CRLF, has 107 bytes.
_V1_LONGEST = 107

# Section 2.2: twelve bytes chosen so that no other protocol begins with them.
_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED = 16
# For TCP, addresses take at most 36 bytes; the rest is for TLVs, such as a certificate.
_V2_LONGEST = _V2_FIXED + 4096


class ProxyHeader(NamedTuple):
    """A parsed header, and its length in bytes.

    :param protocol: ``TCP4`` or ``TCP6``. ``UNKNOWN`` when the proxy speaks for itself, as in a
        health check, or does not know the client; then there are no addresses.
    :param source: address and port of the client.
    :param destination: address and port that the client connected to.
    """

    length: int
    protocol: str
    source: tuple[str, int] | None = None
    destination: tuple[str, int] | None = None


def may_be_proxy_header(data: bytes, versions: frozenset[str]) -> bool:
    """Tell whether a connection's first bytes are a header, or may become one."""
    signatures = {V1: _V1_SIGNATURE, V2: _V2_SIGNATURE}
    return any(
        data[: len(signatures[version])] == signatures[version][: len(data)] for version in versions
    )


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Parse the header at the start of these bytes; returns ``None`` if more bytes are needed.

    :param data: bytes for which :func:`may_be_proxy_header` returned true.
    :raises BadProxyHeader: when it is malformed.
    """
    if data[:1] == b"P":
        return _read_v1(data)
    return _read_v2(data)


def _read_v1(data: bytes) -> ProxyHeader | None:
    # Section 2.1: "PROXY" SP ( "TCP4" / "TCP6" ) SP source SP destination SP port SP port CRLF,
    # or "PROXY UNKNOWN" and anything up to the CRLF.
    end = data.find(b"\r\n", 0, _V1_LONGEST)
    if end < 0:
        if len(data) >= _V1_LONGEST:
            raise BadProxyHeader("no line end within 107 bytes")
        return None
    words = data[:end].decode("latin-1").split(" ")
    length = end + 2
    if words[1] == "UNKNOWN":
        return ProxyHeader(length, "UNKNOWN")
    if len(words) != 6 or words[1] not in ("TCP4", "TCP6"):
        raise BadProxyHeader(f"malformed line: {data[:end]!r}")
    _, protocol, source, destination, source_port, destination_port = words
    return ProxyHeader(
        length,
        protocol,
        (_address(protocol, source), _port(source_port)),
        (_address(protocol, destination), _port(destination_port)),
    )


def _address(protocol: str, text: str) -> str:
    family = socket.AF_INET if protocol == "TCP4" else socket.AF_INET6
    try:
        return socket.inet_ntop(family, socket.inet_pton(family, text))
    except (OSError, ValueError):
        raise BadProxyHeader(f"malformed {protocol} address: {text!r}") from None


def _port(text: str) -> int:
    # Decimal digits, with neither leading zeroes nor a sign.
    if text.isascii() and text.isdigit() and text == str(int(text)) and int(text) < 65536:
        return int(text)
    raise BadProxyHeader(f"malformed port: {text!r}")


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_FIXED:
        return None
    # Section 2.2: the signature is followed by a byte with version and command, one with family
    # and transport, and the length of the rest in network order.
    version, command = data[12] >> 4, data[12] & 0xF
    family = data[13]
    length = _V2_FIXED + int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1:
        raise BadProxyHeader(f"version {version}, command {command}")
    if length > _V2_LONGEST:
        raise BadProxyHeader(f"a header of {length} bytes, more than {_V2_LONGEST}")
    if len(data) < length:
        return None
    # LOCAL is the proxy's own connection. UNSPEC, datagrams and unix sockets have no address that
    # we could use.
    if command == 0 or family not in (0x11, 0x21):
        return ProxyHeader(length, "UNKNOWN")
    size = 4 if family == 0x11 else 16
    if length - _V2_FIXED < 2 * size + 4:
        raise BadProxyHeader("too short for its addresses")
    body = data[_V2_FIXED:]
    kind = socket.AF_INET if size == 4 else socket.AF_INET6
    ports = 2 * size
    return ProxyHeader(
        length,
        "TCP4" if size == 4 else "TCP6",
        (socket.inet_ntop(kind, body[:size]), int.from_bytes(body[ports : ports + 2], "big")),
        (
            socket.inet_ntop(kind, body[size:ports]),
            int.from_bytes(body[ports + 2 : ports + 4], "big"),
        ),
    )
