"""Requests and answers as bytes."""

from __future__ import annotations

import json

import pytest

from corn_control.protocol import (
    DEFAULT_TIMEOUT,
    MAX_LINE,
    Lines,
    Refusal,
    Request,
    answer,
    ask,
    parse,
    refuse,
)

GOOD: dict[bytes, Request] = {
    b'{"v": 1, "command": "status"}': Request("status", {}, DEFAULT_TIMEOUT),
    b'{"v":1,"command":"x","arguments":{"a":[1]},"timeout":0,"id":"me"}': Request(
        "x", {"a": [1]}, 0.0, "me"
    ),
    b' {"v":1,"command":"x","timeout":2.5,"id":7}\r': Request("x", {}, 2.5, 7),
}

BAD: dict[bytes, tuple[str, object]] = {
    b"": ("bad-json", None),
    b"reload": ("bad-json", None),
    b"\xff\xfe": ("bad-json", None),
    b"[1]": ("bad-json", None),
    b"1": ("bad-json", None),
    b"[" * 10000: ("bad-json", None),
    b"1" * 10000: ("bad-json", None),
    b'{"command":"status"}': ("bad-version", None),
    b'{"v":2,"command":"status","id":3}': ("bad-version", 3),
    b'{"v":true,"command":"status"}': ("bad-version", None),
    b'{"v":1,"id":"a"}': ("bad-request", "a"),
    b'{"v":1,"command":"","id":"a"}': ("bad-request", "a"),
    b'{"v":1,"command":["status"]}': ("bad-request", None),
    b'{"v":1,"command":"status","arguments":[]}': ("bad-request", None),
    b'{"v":1,"command":"status","wait":1}': ("bad-request", None),
    b'{"v":1,"command":"status","timeout":-1}': ("bad-request", None),
    b'{"v":1,"command":"status","timeout":3601}': ("bad-request", None),
    b'{"v":1,"command":"status","timeout":NaN}': ("bad-request", None),
    b'{"v":1,"command":"status","timeout":1e999}': ("bad-request", None),
    b'{"v":1,"command":"status","timeout":1' + b"0" * 400 + b"}": ("bad-request", None),
    b'{"v":1,"command":"status","timeout":"5"}': ("bad-request", None),
    b'{"v":1,"command":"status","timeout":true}': ("bad-request", None),
    b'{"v":1,"command":"status","timeout":null}': ("bad-request", None),
    b'{"v":1,"command":"status","id":[1]}': ("bad-request", None),
    b'{"v":1,"command":"status","id":true}': ("bad-request", None),
}


@pytest.mark.parametrize("line", GOOD)
def test_request(line: bytes) -> None:
    assert parse(line) == GOOD[line]


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:40])
def test_what_is_not_a_request(line: bytes) -> None:
    with pytest.raises(Refusal) as refused:
        parse(line)
    assert (refused.value.code, refused.value.id) == BAD[line]


def test_what_is_asked_can_be_parsed() -> None:
    request = Request("scale", {"workers": "+1"}, 5.0, "é\n")
    line = ask(request)
    assert line.count(b"\n") == 1
    assert parse(line) == request


def test_answers() -> None:
    assert json.loads(answer({"a": "é\n"}, 7)) == {
        "v": 1,
        "id": 7,
        "ok": True,
        "result": {"a": "é\n"},
    }
    assert json.loads(refuse(Refusal("busy", "too many"))) == {
        "v": 1,
        "id": None,
        "ok": False,
        "error": {"code": "busy", "message": "too many"},
    }
    for unfit in (object(), float("nan")):
        with pytest.raises((TypeError, ValueError)):
            answer(unfit, None)


def test_lines_in_pieces() -> None:
    lines = Lines()
    for piece in (b"on", b"e\ntw", b"o\n\nthr"):
        lines.feed(piece)
    assert [lines.next() for _ in range(4)] == [b"one", b"two", b"", None]
    assert len(lines) == 3


def test_lines_have_a_limit() -> None:
    lines = Lines()
    lines.feed(b"x" * (MAX_LINE - 1))
    assert lines.next() is None
    lines.feed(b"\n")
    assert lines.next() == b"x" * (MAX_LINE - 1)
    for ending in (b"", b"\n"):
        lines = Lines()
        lines.feed(b"x" * MAX_LINE + ending)
        with pytest.raises(Refusal, match="16384 bytes"):
            lines.next()
