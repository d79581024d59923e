"""WebSockets in process: every case against a session that echoes, whole and octet by octet."""

from __future__ import annotations

import zlib
from dataclasses import replace

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate

from corn_asgi.websocket.frames import BINARY, CLOSE, PONG, TEXT
from corn_asgi.websocket.session import Session, cut, may_be_sent
from corn_testkit.asgi.cases import CASES
from corn_testkit.asgi.frames import PING, Frames, close, failing, frame, frames_in, same

MEBIBYTE = 1024 * 1024


def echoed(session: Session, pieces: list[bytes]) -> bytes:
    """Return all that a session sends when its messages are echoed at once."""
    out = b""
    for piece in pieces:
        if session.ended:
            break
        answer = session.receive(piece)
        # The answers of the session itself come first, as far as they are not the end.
        ending = answer if session.ended else b""
        out += b"" if session.ended else answer
        while session.messages:
            message = session.take()
            out += session.text(message) if isinstance(message, str) else session.binary(message)
        out += ending
    return out


def pongs_first(frames: Frames) -> Frames:
    """Pongs may come before the echo of messages that were sent before their pings."""
    return sorted(frames, key=lambda one: one[0] != PONG)


@pytest.mark.parametrize("chop", [0, 1], ids=["whole", "octets"])
def test_cases(chop: int) -> None:
    for case in (case for case in CASES if len(case.octets) < 3000):
        pieces = [*case.pieces(chop), *([close(1000)] if case.end else [])]
        frames = frames_in(echoed(Session(MEBIBYTE * 16, None), pieces))
        wanted = replace(case, frames=pongs_first(case.frames))
        assert wanted.accepts(pongs_first(frames)), case


def test_a_length_beyond_the_limit_fails_before_the_payload() -> None:
    for payload in (b"x" * 127, b"x" * 70_000):
        session = Session(126, None)
        assert frames_in(session.receive(frame(BINARY, payload)[:14]))[0][1][:2] == b"\x03\xf1"
        assert session.ended
        assert "more than 126 bytes" in session.failed
    session = Session(10, None)
    session.receive(frame(TEXT, b"x" * 9, fin=False))
    assert frames_in(session.receive(frame(0, b"xx")[:6]))[0][1][:2] == b"\x03\xf1"


def test_a_length_of_more_than_63_bits() -> None:
    session = Session(MEBIBYTE, None)
    frames = frames_in(session.receive(b"\x82\xff" + b"\xff" * 8))
    assert frames[0][1][:2] == b"\x03\xea"


def deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


BOMB = deflated(bytes(MEBIBYTE + 300_000))


def deflating(max_size: int = MEBIBYTE) -> Session:
    return Session(max_size, PerMessageDeflate(True, True, 15, 12))


@pytest.mark.parametrize("size", [0, 1, 125, 1000, 70_000])
def test_compressed_messages(size: int) -> None:
    session = deflating()
    data = (b"Hello " * size)[:size]
    packed = deflated(data)
    for _ in range(2):
        session.receive(frame(TEXT, packed, rsv=4))
        assert session.take() == data.decode()
    half = len(packed) // 2
    session.receive(frame(BINARY, packed[:half], fin=False, rsv=4))
    # Pings are answered between compressed fragments.
    assert frames_in(session.receive(frame(PING, b"p"))) == [(PONG, b"p")]
    session.receive(frame(0, packed[half:]))
    assert session.take() == data
    sent = session.binary(data)
    assert sent[0] == 0xC2
    session.receive(frame(BINARY, data))  # one that is not compressed
    assert session.take() == data


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (frame(TEXT, b"\xff\xff\xff", rsv=4), 1002),
        (frame(TEXT, deflated(b"\xff"), rsv=4), 1007),
        (frame(BINARY, deflated(bytes(MEBIBYTE + 1)), rsv=4), 1009),
        (frame(BINARY, BOMB[:700], fin=False, rsv=4) + frame(0, BOMB[700:]), 1009),
        (frame(TEXT, b"", fin=False, rsv=4) + frame(0, b"", rsv=4), 1002),
        (frame(PING, b"", rsv=4), 1002),
        (frame(TEXT, b"", rsv=2), 1002),
    ],
)
def test_compressed_messages_that_fail(sent: bytes, code: int) -> None:
    session = deflating()
    frames = frames_in(session.receive(sent))
    assert same(frames, [(CLOSE, code.to_bytes(2, "big"))])


def test_exactly_the_limit_is_allowed() -> None:
    for compressed in (False, True):
        session = deflating(1000)
        data = bytes(1000)
        sent = frame(BINARY, deflated(data), rsv=4) if compressed else frame(BINARY, data)
        session.receive(sent)
        assert session.take() == data


@pytest.mark.parametrize(
    ("sent", "code", "reason"),
    [
        (close(1000, b"bye"), 1000, "bye"),
        (close(4321), 4321, ""),
        (close(), 1005, ""),
        (frame(3), 1006, ""),
    ],
)
def test_what_the_application_is_told(sent: bytes, code: int, reason: str) -> None:
    session = Session(MEBIBYTE, None)
    session.receive(frame(TEXT, b"before") + sent + frame(TEXT, b"after"))
    assert list(session.messages) == ["before"]
    assert (session.code, session.reason) == (code, reason)
    assert session.receive(frame(PING)) == b""


def test_a_lost_connection_is_1006() -> None:
    session = Session(MEBIBYTE, None)
    session.lose()
    assert session.code == 1006
    assert session.close(1000, "") == b""


def test_a_reason_is_cut_within_no_character() -> None:
    assert cut("x" * 200) == b"x" * 123
    assert cut("\u20ac" * 100) == "\u20ac".encode() * 41
    assert len(frames_in(Session(1, None).close(1000, "\u20ac" * 100))[0][1]) == 125


def test_closing_ends_after_the_answer() -> None:
    session = Session(MEBIBYTE, None)
    assert frames_in(session.close(1001, "")) == [(CLOSE, b"\x03\xe9")]
    # What the client has sent before it knew is dropped; the first close frame is the last.
    assert session.receive(frame(TEXT, b"x") + frame(PING) + close(1001)) == b""
    assert not session.messages
    assert session.ended
    assert session.code == 1001


def test_pongs_answer_earlier_pings() -> None:
    session = Session(MEBIBYTE, None)
    for payload in (b"1", b"2", b"3"):
        session.ping(payload)
    session.receive(frame(PONG, b"other"))
    assert len(session.pings) == 3
    session.receive(frame(PONG, b"2"))
    assert list(session.pings) == [b"3"]


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, "1000", None])
def test_codes_that_are_not_sent(code: object) -> None:
    assert not may_be_sent(code)


def test_many_fragments_need_no_more_memory_than_they_hold() -> None:
    session = Session(1000, None)
    session.receive(frame(TEXT, b"", fin=False))
    for _ in range(5000):
        session.receive(frame(0, b"", fin=False))
    assert session.receive(frame(0, b"x")) == b""
    assert session.take() == "x"


def test_the_cases_bite() -> None:
    case = failing("wrong", frame(TEXT, b"x"))
    assert not case.accepts(frames_in(echoed(Session(10, None), case.pieces())))
