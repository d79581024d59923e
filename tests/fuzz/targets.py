"""Gives what reads input from elsewhere some input, and raises when something is wrong.

A target fails with any exception that the reader does not document, and when the verdict depends
on how the octets were split or on what was read before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import NamedTuple

from corn_core.errors import BadProxyHeader
from corn_core.http import Limits, Request, RequestParser
from corn_core.logs.access import SafeAtoms, compile_format, parse_access_format
from corn_core.logs.atoms import all_atoms
from corn_core.net.proxy import V1, V2, may_be_proxy_header, read_proxy_header
from corn_core.setting import Expected
from corn_core.wsgi.response import Response
from corn_testkit.asgi.cases import CASES as WEBSOCKET_CASES
from tests.fuzz.sockets import read_control_lines, read_frames, read_handshakes
from tests.http_corpus.cases import CASES
from tests.http_corpus.drive import Outcome, Reader, bytewise, cut_at

LIMITS = (
    Limits(),
    Limits(header_map="keep"),
    Limits(header_map="refuse"),
    Limits(request_line=20, fields=2, field_size=30, body=10),
    Limits(request_line=0, fields=0, field_size=0, body=0),
)

TRAILED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Target(NamedTuple):
    """A reader of input from elsewhere.

    :param act: reads some octets; raises when something is wrong with the reader.
    :param seeds: input to begin with.
    :param telling: pieces that mean something to the reader.
    """

    act: Callable[[bytes], None]
    seeds: Sequence[bytes]
    telling: Sequence[bytes]


def read_messages(data: bytes) -> None:
    """Read requests; the first octet says with which limits, and where they are cut."""
    if data:
        _compare(data[1:], LIMITS[data[0] % len(LIMITS)], data[0])


def read_chunks(data: bytes) -> None:
    """Read the chunks and trailers of a body, and what follows it."""
    if data:
        _compare(TRAILED + data[1:], LIMITS[data[0] % len(LIMITS)], data[0])


def _compare(wire: bytes, limits: Limits, seed: int) -> None:
    whole = _outcome([wire], limits)
    assert _outcome([wire], limits) == whole, "another verdict the second time"
    assert _outcome(bytewise(wire), limits) == whole, "another verdict octet by octet"
    step = seed % 7 + 2
    pieces = cut_at(wire, range(step, len(wire), step))
    assert _outcome(pieces, limits) == whole, f"another verdict in pieces of {step}"


def _outcome(pieces: Sequence[bytes], limits: Limits) -> Outcome:
    return Reader(RequestParser(limits)).run(pieces)


def read_proxy_headers(data: bytes) -> None:
    """Read a header of the PROXY protocol as it arrives: the verdict comes once, and stays."""
    for versions in (frozenset({V1}), frozenset({V2}), frozenset({V1, V2})):
        verdicts = list(_proxy_verdicts(data, versions))
        told = [verdict for verdict in verdicts if verdict is not None]
        assert len(set(told)) <= 1, told
        assert None not in verdicts[len(verdicts) - len(told) :], "a verdict was taken back"


def _proxy_verdicts(data: bytes, versions: frozenset[str]) -> Iterator[object]:
    """Yield what is known after each octet: None for nothing, a type of error, or a header."""
    for size in range(1, len(data) + 1):
        if not may_be_proxy_header(data[:size], versions):
            yield "not a header"
            continue
        try:
            header = read_proxy_header(data[:size])
        except BadProxyHeader:
            yield BadProxyHeader
            continue
        assert header is None or header.length <= size
        yield header


def render_log_formats(data: bytes) -> None:
    """Read a format of the access log; what is accepted renders, on one line if it is one."""
    try:
        text = parse_access_format(data.decode("utf-8", "replace"))
        render = compile_format(text)
    except Expected:
        return
    request = Request("GET", "/a?b", (1, 1))
    request.fields["HTTP_X"] = "c\nd"
    response = Response(request, _Nowhere(), False)
    response.status, response.headers = "200 OK", [("X", "e\nf")]
    environ = {"REMOTE_ADDR": "::1", "HTTP_X": "c\nd", "x": object()}
    line = render(response, request, environ, timedelta(seconds=1))
    assert line.count("\n") <= text.count("\n"), "a client's line end is in the log"
    # As a logger class of someone else's renders it.
    text % SafeAtoms(all_atoms(response, request, environ, timedelta(seconds=1)))


class _Nowhere:
    """The sink of a response that is never sent."""

    def send(self, data: bytes) -> None:
        raise AssertionError("nothing is sent")

    def send_file(self, fd: int, offset: int, count: int) -> None:
        raise AssertionError("nothing is sent")

    def abort(self) -> None:
        raise AssertionError("nothing is sent")


V2_HEADER = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\2\1\xc0\0\2\2\x12\x34\0\x50"

TARGETS = {
    "messages": Target(
        read_messages,
        [bytes([number]) + case.wire for number in range(5) for case in CASES[number::5]],
        [b"\r\n", b"\n", b":", b" ", b"Host: a\r\n", b"Content-Length: 1\r\n", b"HTTP/1.1"],
    ),
    "chunks": Target(
        read_chunks,
        [b"\0" + end for end in (b"0\r\n\r\n", b"1;a=b\r\nx\r\n0\r\nX-A: b\r\n\r\n", b"a\r\n")],
        [b"\r\n", b"0\r\n", b"1\r\nx\r\n", b";a", b"=", b'"', b"\\", b"X: y\r\n", b"f" * 15],
    ),
    "proxy": Target(
        read_proxy_headers,
        [b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", b"PROXY UNKNOWN\r\n", V2_HEADER],
        [b"PROXY ", b"TCP6", b"::1", b" 65535", b"\r\n", V2_HEADER[:12], b"\x20", b"\x21\x21"],
    ),
    "log formats": Target(
        render_log_formats,
        [b"%(h)s %(l)s [%(t)s]", b"%(B)5d %%", b"%({x-a}i)s%({b}o)s%({HOME}e)s", b"%(a).3s"],
        [b"%", b"%(", b")s", b")d", b"%(D)", b"0", b"9999999999", b".", b"{x}i", b"\n"],
    ),
    "frames": Target(
        read_frames,
        [bytes([number % 9]) + each.octets for number, each in enumerate(WEBSOCKET_CASES)],
        [b"\x81\x80", b"\x01\x80", b"\x80\x80", b"\x88\x82", b"\x89\x80", b"\xc1\xfe", b"\x7f"],
    ),
    "handshakes": Target(
        read_handshakes,
        [
            b'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x; y="z"',
            b"Sec-WebSocket-Protocol: chat, superchat\r\nSec-WebSocket-Protocol: b",
        ],
        [b"Sec-WebSocket-Extensions: ", b"_max_window_bits=", b"8", b"; ", b", ", b'"', b"\\"],
    ),
    "control": Target(
        read_control_lines,
        [
            b'{"v": 1, "command": "scale", "arguments": {"workers": "+1"}, "id": 7}\n',
            b'{"v":1,"command":"stacks","arguments":{"pid":1,"a":[null,true,1e3]},"id":"\\u00e9"}\n',
            b'{"v":1,"command":"x","timeout":1%s}\n' % (b"0" * 400),
            b'{"v":2}\n[1]\n\nx\n',
        ],
        [b'"v":1', b'"timeout":', b'"id":', b"\n", b"1e999", b"NaN", b"-", b"9" * 30, b"[" * 30],
    ),
}
