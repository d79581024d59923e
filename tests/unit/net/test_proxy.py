"""The PROXY protocol's headers, byte by byte."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_core.errors import BadProxyHeader
from corn_core.net.proxy import V1, V2, ProxyHeader, may_be_proxy_header, read_proxy_header

BOTH = frozenset({V1, V2})
SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v2(command: int, family: int, body: bytes, version: int = 2) -> bytes:
    return SIGNATURE + bytes([version << 4 | command, family]) + len(body).to_bytes(2, "big") + body


def addresses(family: int, source: str, destination: str, ports: tuple[int, int]) -> bytes:
    packed = socket.inet_pton(family, source) + socket.inet_pton(family, destination)
    return packed + ports[0].to_bytes(2, "big") + ports[1].to_bytes(2, "big")


IPV4 = addresses(socket.AF_INET, "192.0.2.1", "192.0.2.2", (1234, 80))
IPV6 = addresses(socket.AF_INET6, "2001:db8::1", "2001:db8::2", (1234, 80))

GOOD = [
    (b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n", "TCP4", ("192.0.2.1", 1234)),
    (b"PROXY TCP6 2001:DB8::1 2001:db8::2 1234 80\r\n", "TCP6", ("2001:db8::1", 1234)),
    (b"PROXY UNKNOWN\r\n", "UNKNOWN", None),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", "UNKNOWN", None),
    (v2(1, 0x11, IPV4), "TCP4", ("192.0.2.1", 1234)),
    (v2(1, 0x21, IPV6), "TCP6", ("2001:db8::1", 1234)),
    (v2(1, 0x11, IPV4 + b"\x04\x00\x01x"), "TCP4", ("192.0.2.1", 1234)),
    (v2(0, 0x11, IPV4), "UNKNOWN", None),
    (v2(0, 0x00, b""), "UNKNOWN", None),
    (v2(1, 0x00, b""), "UNKNOWN", None),
    (v2(1, 0x31, b"\0" * 216), "UNKNOWN", None),
    (v2(1, 0x12, IPV4), "UNKNOWN", None),
]

BAD = [
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1234\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80 1\r\n",
    b"PROXY TCP5 192.0.2.1 192.0.2.2 1234 80\r\n",
    b"PROXY TCP4 2001:db8::1 192.0.2.2 1234 80\r\n",
    b"PROXY TCP6 192.0.2.1 2001:db8::1 1234 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 01234 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 65536 80\r\n",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 \xb2 80\r\n",
    b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 80\r\n",
    b"PROXY \r\n",
    b"PROXY " + b"x" * 120,
    v2(2, 0x11, IPV4),
    v2(1, 0x11, IPV4, version=1),
    v2(1, 0x11, IPV4[:-1]),
    v2(1, 0x21, IPV4),
    v2(1, 0x11, IPV4 + b"\0" * 5000),
]


@pytest.mark.parametrize(("data", "protocol", "source"), GOOD)
def test_header(data: bytes, protocol: str, source: tuple[str, int] | None) -> None:
    header = read_proxy_header(data + b"GET / HTTP/1.1\r\n")
    assert header is not None
    assert (header.length, header.protocol, header.source) == (len(data), protocol, source)


def test_destination() -> None:
    expected = ProxyHeader(40, "TCP4", ("192.0.2.1", 1234), ("192.0.2.2", 80))
    assert read_proxy_header(b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 80\r\n") == expected
    header = read_proxy_header(v2(1, 0x21, IPV6))
    assert header is not None and header.destination == ("2001:db8::2", 80)


@pytest.mark.parametrize("data", [data for data, _, _ in GOOD])
def test_every_beginning_of_a_header_is_incomplete(data: bytes) -> None:
    for end in range(len(data)):
        assert may_be_proxy_header(data[:end], BOTH)
        if end >= 6:
            assert read_proxy_header(data[:end]) is None


@pytest.mark.parametrize("data", BAD)
def test_malformed_header(data: bytes) -> None:
    assert may_be_proxy_header(data, BOTH)
    with pytest.raises(BadProxyHeader):
        read_proxy_header(data)


@pytest.mark.parametrize("data", [b"GET", b"PUT", b"PROPFIND /", b"PROXY/", b"\r\nGET", b"\x16"])
def test_what_is_no_header(data: bytes) -> None:
    assert not may_be_proxy_header(data, BOTH)


def test_only_the_version_that_is_wanted() -> None:
    assert not may_be_proxy_header(b"PROXY ", frozenset({V2}))
    assert not may_be_proxy_header(SIGNATURE, frozenset({V1}))


@given(st.binary(max_size=200), st.sampled_from([b"PROXY ", SIGNATURE]))
def test_nothing_but_a_bad_header_is_raised(rest: bytes, signature: bytes) -> None:
    try:
        header = read_proxy_header(signature + rest)
    except BadProxyHeader:
        return
    assert header is None or header.length <= len(signature + rest)
