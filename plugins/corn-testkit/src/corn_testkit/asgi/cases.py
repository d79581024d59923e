"""The cases of the Autobahn suite: groups 1 to 7, 9 and 10, against an application that echoes."""

from __future__ import annotations

from collections.abc import Iterator

from corn_testkit.asgi.frames import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Case,
    Frames,
    close,
    failing,
    frame,
)

HELLO = "Hello-\xb5@\xdf\xf6\xe4\xfc\xe0\xe1-UTF-8!!".encode()
KAPPA = "\u03ba\u1f79\u03c3\u03bc\u03b5".encode()

SIZES = (0, 125, 126, 127, 128, 65535, 65536)


def messages() -> Iterator[Case]:
    for group, opcode, letter in ((1, TEXT, b"*"), (2, BINARY, b"\xfe")):
        for number, size in enumerate(SIZES, 1):
            data = letter * size
            yield Case(f"1.{group}.{number}", (frame(opcode, data),), [(opcode, data)])
        data = letter * 65536
        yield Case(f"1.{group}.8", (frame(opcode, data),), [(opcode, data)], chop=997)


def pings() -> Iterator[Case]:
    payloads = (b"", b"Hello, world!", b"\x00\xff\xfe\xfd", b"\xfe" * 125)
    for number, data in enumerate(payloads, 1):
        yield Case(f"2.{number}", (frame(PING, data),), [(PONG, data)])
    yield failing("2.5", frame(PING, b"\xfe" * 126))
    yield Case("2.6", (frame(PING, b"\xfe" * 125),), [(PONG, b"\xfe" * 125)], chop=1)
    yield Case("2.7", (frame(PONG),))
    yield Case("2.8", (frame(PONG, b"unsolicited"),))
    yield Case("2.9", (frame(PONG, b"unsolicited"), frame(PING, b"ping")), [(PONG, b"ping")])
    ten = [b"payload-%d" % number for number in range(10)]
    for name, chop in (("2.10", 0), ("2.11", 1)):
        answers = [(PONG, data) for data in ten]
        yield Case(name, tuple(frame(PING, data) for data in ten), answers, chop=chop)


def reserved() -> Iterator[Case]:
    first, echoed = frame(TEXT, b"one"), [(TEXT, b"one")]
    yield failing("3.1", frame(TEXT, b"x", rsv=1))
    for name, rsv, chop in (("3.2", 2, 0), ("3.3", 3, 0), ("3.4", 4, 1)):
        bad = frame(TEXT, b"x", rsv=rsv)
        yield failing(name, first, bad, frame(PING), before=echoed, chop=chop)
    yield failing("3.5", frame(BINARY, b"x", rsv=5))
    yield failing("3.6", frame(PING, b"x", rsv=6))
    yield failing("3.7", frame(8, b"", rsv=7))
    for group, opcodes in ((1, range(3, 8)), (2, range(11, 16))):
        for number, opcode in enumerate(opcodes, 1):
            sent = frame(opcode, b"payload"[: number % 3 * 3])
            if number < 3:
                yield failing(f"4.{group}.{number}", sent)
            else:
                chop = number == 5
                name = f"4.{group}.{number}"
                yield failing(name, first, sent, frame(PING), before=echoed, chop=int(chop))
    yield failing("not masked", frame(TEXT, b"x", mask=False))


def fragments() -> Iterator[Case]:
    begin, end = frame(TEXT, b"fragment1", fin=False), frame(CONTINUATION, b"fragment2")
    whole: Frames = [(TEXT, b"fragment1fragment2")]
    middle = frame(CONTINUATION, b"-", fin=False)
    stray, open_stray = frame(CONTINUATION, b"non"), frame(CONTINUATION, b"non", fin=False)
    text = frame(TEXT, b"Hello")
    yield failing("5.1", frame(PING, b"a", fin=False), frame(CONTINUATION, b"b"))
    yield failing("5.2", frame(PONG, b"a", fin=False), frame(CONTINUATION, b"b"))
    for name, chop in (("5.3", 0), ("5.4", 7), ("5.5", 1)):
        yield Case(name, (begin, end), whole, chop=chop)
    for name, chop in (("5.6", 0), ("5.7", 7), ("5.8", 1)):
        yield Case(name, (begin, frame(PING, b"p"), end), [(PONG, b"p"), *whole], chop=chop)
    for name, chop in (("5.9", 0), ("5.10", 4), ("5.11", 1)):
        yield failing(name, stray, text, chop=chop)
    for name, chop in (("5.12", 0), ("5.13", 4), ("5.14", 1)):
        yield failing(name, open_stray, text, chop=chop)
    yield failing("5.15", begin, end, open_stray, text, before=whole)
    yield failing("5.16", *(open_stray, text, stray) * 2)
    yield failing("5.17", *(stray, text, stray) * 2)
    yield failing("5.18", begin, frame(TEXT, b"fragment2"))
    parts = (begin, middle, frame(PING, b"1"), middle, middle, frame(PING, b"2"), middle, end)
    many: Frames = [(PONG, b"1"), (PONG, b"2"), (TEXT, b"fragment1----fragment2")]
    yield Case("5.19", parts, many)
    yield Case("5.20", parts, many, chop=1)


VALID = (
    *("", "A", "\xe9", "\u0800", "\U00010000", "\x00", "\x7f", "\x80", "\u07ff", "\uffff"),
    *(
        "\U0010ffff",
        "\ud7ff",
        "\ue000",
        "\ufffd",
        "\ufffe",
        "\U0001fffe",
        "\ufeffx",
        KAPPA.decode(),
    ),
)

INVALID = (
    *(b"\x80", b"\xbf", b"\x80\xbf\x80", b"\xc0 ", b"\xe0 \xe1 ", b"\xf0 ", b"\xf8 ", b"\xfc "),
    *(b"\xc0", b"\xe0\x80", b"\xf0\x80\x80", b"\xf8\x80\x80\x80", b"\xdf", b"\xef\xbf", b"\xfe"),
    *(b"\xff", b"\xfe\xfe\xff\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xc1\xbf"),
    *(b"\xe0\x9f\xbf", b"\xf0\x8f\xbf\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\xed\xbf\xbf"),
    *(b"\xed\xa0\x80\xed\xb0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"a\xce"),
    KAPPA + b"\xed\xa0\x80edited",
)

# What is certain before the frame has arrived: it is announced longer than it is sent.
FAST = (
    KAPPA + b"\xf4\x90\x80\x80",
    KAPPA + b"\xf4\x90",
    KAPPA + b"\xed\xa0",
    KAPPA + b"\x80",
    b"\xc0",
    b"\xf5",
)


def text() -> Iterator[Case]:
    empty = frame(TEXT, b"", fin=False)
    yield Case("6.1.2", (empty, frame(0, b"", fin=False), frame(0, b"")), [(TEXT, b"")])
    sent = (empty, frame(0, b"middle", fin=False), frame(0, b""))
    yield Case("6.1.3", sent, [(TEXT, b"middle")])
    for name, size in (("6.2.2", 12), ("6.2.3", 1), ("6.2.4", 2)):
        split = [HELLO[at : at + size] for at in range(0, len(HELLO), size)]
        rest = [frame(0, part, fin=False) for part in split[1:]]
        frames = (frame(TEXT, split[0], fin=False), *rest, frame(0))
        yield Case(name, frames, [(TEXT, HELLO)])
    for number, valid in enumerate(VALID):
        data = valid.encode()
        yield Case(f"6.5 valid {number}", (frame(TEXT, data),), [(TEXT, data)])
        yield Case(f"6.5 chopped {number}", (frame(TEXT, data),), [(TEXT, data)], chop=1)
    for number, data in enumerate(INVALID):
        yield failing(f"6.3 invalid {number}", frame(TEXT, data), code=1007)
        yield failing(f"6.3 chopped {number}", frame(TEXT, data), code=1007, chop=1)
        parts = (frame(TEXT, data[:1], fin=False), frame(0, data[1:]))
        yield failing(f"6.3 fragments {number}", *parts, code=1007)
    for number, data in enumerate(FAST):
        yield failing(f"6.4 frames {number}", frame(TEXT, data, fin=False), code=1007)
        inside = frame(TEXT, data + b"x" * 100)[:-100]
        yield failing(f"6.4 octets {number}", inside, code=1007)


GOOD_CODES = (*range(1000, 1004), *range(1007, 1015), 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)


def closes() -> Iterator[Case]:
    hello, echoed = frame(TEXT, b"Hello"), [(TEXT, b"Hello")]
    answer = (8, b"\x03\xe8")
    yield Case("7.1.1", (hello,), echoed)
    yield Case("7.1.2", (close(1000), close(1000)), [answer], end=False)
    yield Case("7.1.3", (close(1000), frame(PING)), [answer], end=False)
    yield Case("7.1.4", (close(1000), hello), [answer], end=False)
    begin = frame(TEXT, b"fragment", fin=False)
    yield Case("7.1.5", (begin, close(1000), frame(0, b"2")), [answer], end=False)
    data = b"x" * 262144
    sent = (frame(TEXT, data), close(1000), frame(PING))
    yield Case("7.1.6", sent, [(TEXT, data), answer], end=False, racing=True)
    yield Case("7.3.1", (close(),), [(8, b"")], end=False)
    yield failing("7.3.2", frame(8, b"a"))
    yield Case("7.3.4", (close(1000, b"Hello"),), [answer], end=False)
    yield Case("7.3.5", (close(1000, b"*" * 123),), [answer], end=False)
    yield failing("7.3.6", close(1000, b"*" * 124))
    yield failing("7.5.1", close(1000, KAPPA + b"\xed\xa0\x80edited"), code=1007)
    for code in GOOD_CODES:
        got = (8, code.to_bytes(2, "big"))
        yield Case(f"7.7 {code}", (close(code, b"x" if code % 2 else b""),), [got], end=False)
    for code in BAD_CODES:
        yield failing(f"7.9 {code}", close(code))


def sizes() -> Iterator[Case]:
    for opcode in (TEXT, BINARY):
        data = b"x" * 1024 * 1024
        yield Case(f"9.{opcode}.3", (frame(opcode, data),), [(opcode, data)])
        rest = [frame(0, data[at : at + 4096], fin=False) for at in range(4096, len(data), 4096)]
        parts = (frame(opcode, data[:4096], fin=False), *rest, frame(0))
        yield Case(f"9.{opcode + 2}.3", parts, [(opcode, data)])
        yield Case(f"9.{opcode + 4}.3", (frame(opcode, data),), [(opcode, data)], chop=8192)
        for length, count in ((0, 1000), (64, 1000), (1024, 500)):
            few: Frames = [(opcode, b"x" * length)] * count
            sent = (frame(opcode, b"x" * length),) * count
            yield Case(f"9.{opcode + 6} {length}", sent, few)
    pieces = [b"x" * 1300] * 50
    parts = (frame(TEXT, pieces[0], fin=False), *(frame(0, one, fin=False) for one in pieces[1:]))
    yield Case("10.1.1", (*parts, frame(0)), [(TEXT, b"x" * 65000)])


CASES = [
    *(*messages(), *pings(), *reserved(), *fragments()),
    *(*text(), *closes(), *sizes()),
]
