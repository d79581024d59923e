"""Gives the readers of WebSockets and of the control socket some input."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from corn_asgi.websocket.handshake import BadHandshake, asks_for_websocket, read_handshake
from corn_asgi.websocket.session import Session, may_be_sent
from corn_control.operations import size
from corn_control.protocol import MAX_LINE, Lines, Refusal, answer, parse, refuse
from corn_core.errors import BadRequest
from corn_core.http import Limits, RequestParser
from corn_core.setting import Expected, boolean, integer, one_of
from corn_testkit.asgi.frames import CLOSE, Frames, frames_in
from tests.http_corpus.drive import bytewise, cut_at

MAX_SIZES = (2000, 20, 125)
COMPRESSION = (
    "",
    "permessage-deflate",
    "permessage-deflate; client_no_context_takeover; server_max_window_bits=9",
)

HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)

ARGUMENTS = (integer(1), boolean, one_of("debug", "info"))
"""What commands read their arguments with, beside ``size``."""


# -- WebSocket ----------------------------------------------------------------------


class Talk(NamedTuple):
    """Says what has become of a WebSocket, for the application and for the client."""

    messages: Sequence[str | bytes]
    code: int | None
    reason: str
    failed: str
    frames: Frames


def read_frames(data: bytes) -> None:
    """Read frames; the first octet says with which limit and extension, and where they are cut."""
    if not data:
        return
    choice, wire = data[0], data[1:]
    whole = _talk([wire], choice)
    assert _talk(bytewise(wire), choice) == whole, "another verdict octet by octet"
    step = choice % 7 + 2
    pieces = cut_at(wire, range(step, len(wire), step))
    assert _talk(pieces, choice) == whole, f"another verdict in pieces of {step}"


def _talk(pieces: Sequence[bytes], choice: int) -> Talk:
    limit = MAX_SIZES[choice % len(MAX_SIZES)]
    offer = COMPRESSION[choice // len(MAX_SIZES) % len(COMPRESSION)]
    handshake = _handshake(HANDSHAKE + b"Sec-WebSocket-Extensions: %s\r\n\r\n" % offer.encode())
    assert handshake is not None
    agreed = handshake.negotiate()
    assert (agreed is not None) == bool(offer), offer
    session = Session(limit, None if agreed is None else agreed[0])
    frames = frames_in(b"".join(session.receive(piece) for piece in pieces))
    assert all(len(message) <= limit for message in session.messages)
    assert session.ended == (session.code is not None) == any(op == CLOSE for op, _ in frames)
    for opcode, payload in frames:
        if opcode == CLOSE:
            assert (opcode, payload) == frames[-1], "a frame after the close frame"
            code = int.from_bytes(payload[:2], "big")
            assert not payload or may_be_sent(code), code
    return Talk(list(session.messages), session.code, session.reason, session.failed, frames)


def read_handshakes(data: bytes) -> None:
    """Read a handshake with these fields, and answer it with what can be agreed on."""
    handshake = _handshake(HANDSHAKE + data + b"\r\n\r\n")
    if handshake is None:
        return
    agreed = handshake.negotiate()
    values = [*handshake.subprotocols, *(value for _, value in handshake.fields())]
    for value in [*values, "" if agreed is None else agreed[1]]:
        assert value.isprintable() and value.isascii(), value


def _handshake(wire: bytes) -> Any:
    parser = RequestParser(Limits())
    parser.feed(wire)
    try:
        request = parser.next_request()
    except BadRequest:
        return None
    if request is None or not asks_for_websocket(request):
        return None
    try:
        return read_handshake(request)
    except BadHandshake:
        return None


# -- the control socket -------------------------------------------------------------


def read_control_lines(data: bytes) -> None:
    """Read requests of the control socket, and answer each of them."""
    whole = _answers([data])
    assert _answers(bytewise(data)) == whole, "other answers octet by octet"
    for line in whole:
        assert line.endswith(b"\n") and line.count(b"\n") == 1, line
        json.loads(line)


def _answers(pieces: Sequence[bytes]) -> list[bytes]:
    lines, told = Lines(), []
    for piece in pieces:
        lines.feed(piece)
        try:
            while (line := lines.next()) is not None:
                told.append(_answer(line))
        except Refusal as refusal:
            # After a line that is too long, nothing more is read.
            return [*told, refuse(refusal)]
        assert len(lines) < MAX_LINE
    return told


def _answer(line: bytes) -> bytes:
    try:
        request = parse(line)
    except Refusal as refusal:
        return refuse(refusal)
    assert 0 <= request.timeout <= 3600
    for value in request.arguments.values():
        for read in (size, *ARGUMENTS):
            try:
                read(value)
            except Expected as expected:
                assert str(expected)
    return answer(request.command, request.id)
