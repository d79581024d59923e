"""The PROXY protocol: how a proxy says whose connection it is passing on.

Both versions of HAProxy's specification ("The PROXY protocol", versions 1 and 2). A header stands
before everything else that a connection carries, TLS included, so a caller must be able to
take it off without touching a byte of what follows: :func:`read_proxy_header` says how long it is.
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

# Section 2.2: twelve bytes that no other protocol begins with.
_V2_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_V2_FIXED = 16
# Addresses take 36 bytes at the most for TCP; the rest is for TLVs, such as a certificate's.
_V2_LONGEST = _V2_FIXED + 4096


class ProxyHeader(NamedTuple):
    """What a header says, and how many bytes it has.

    :param protocol: ``TCP4`` or ``TCP6``, and ``UNKNOWN`` when the proxy speaks for itself, as
        with a health check, or does not know; then there are no addresses.
    :param source: address and port of the client.
    :param destination: address and port that the client connected to.
    """

    length: int
    protocol: str
    source: tuple[str, int] | None = None
    destination: tuple[str, int] | None = None


def may_be_proxy_header(data: bytes, versions: frozenset[str]) -> bool:
    """Whether these bytes, the first of a connection, are a header or the beginning of one."""
    signatures = {V1: _V1_SIGNATURE, V2: _V2_SIGNATURE}
    return any(
        data[: len(signatures[version])] == signatures[version][: len(data)] for version in versions
    )


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """The header that these bytes begin with; ``None`` when some of it is still to come.

    :param data: for which :func:`may_be_proxy_header` holds.
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
    # Decimal, without leading zeroes or a sign.
    if text.isascii() and text.isdigit() and text == str(int(text)) and int(text) < 65536:
        return int(text)
    raise BadProxyHeader(f"malformed port: {text!r}")


def _read_v2(data: bytes) -> ProxyHeader | None:
    if len(data) < _V2_FIXED:
        return None
    # Section 2.2: after the signature, a byte of version and command, one of family and
    # transport, and the length of what follows, in network order.
    version, command = data[12] >> 4, data[12] & 0xF
    family = data[13]
    length = _V2_FIXED + int.from_bytes(data[14:16], "big")
    if version != 2 or command > 1:
        raise BadProxyHeader(f"version {version}, command {command}")
    if length > _V2_LONGEST:
        raise BadProxyHeader(f"a header of {length} bytes, more than {_V2_LONGEST}")
    if len(data) < length:
        return None
    # LOCAL: the proxy's own connection. UNSPEC, datagrams, unix sockets: no address for us.
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
