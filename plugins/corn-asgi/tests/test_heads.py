"""Remember what repeats of the fields of responses, within bounds, and no secrets."""

from __future__ import annotations

from typing import Any

import pytest

from corn_asgi import heads
from corn_asgi.messages import BadMessage
from corn_asgi.response import ResponseEncoder
from corn_core.http import Request

PLAIN = [(b"content-type", b"text/plain"), (b"content-length", b"2")]


def answer(headers: Any, method: str = "GET", status: int = 200, keep_alive: bool = True) -> bytes:
    """Return a response with a body of two octets."""
    response = ResponseEncoder(Request(method, "/", (1, 1)), keep_alive)
    response.start({"type": "http.response.start", "status": status, "headers": headers})
    return response.body({"type": "http.response.body", "body": b"ok"})


@pytest.mark.usefixtures("one_second")
def test_what_repeats_is_answered_alike_and_what_differs_is_not() -> None:
    first = answer(PLAIN)
    assert [answer(list(PLAIN)) for _ in range(3)] == [first] * 3
    assert first.endswith(b"content-type: text/plain\r\nContent-Length: 2\r\n\r\nok")
    assert answer(PLAIN, status=404) == first.replace(b"200 OK", b"404 Not Found")
    assert answer(PLAIN, method="HEAD") == first[:-2]
    assert answer(PLAIN, keep_alive=False) == first.replace(
        b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"
    )
    assert answer(PLAIN[:1]) == first
    assert b"text/html" in answer([(b"content-type", b"text/html"), PLAIN[1]])
    assert answer(PLAIN) == first


@pytest.fixture
def one_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all responses within one second."""
    monkeypatch.setattr(heads, "http_date", lambda: b"Sat, 21 Nov 2026 00:00:00 GMT")


def test_a_head_lives_as_long_as_its_date(monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        answer(PLAIN)
    monkeypatch.setattr(heads, "http_date", lambda: b"tomorrow")
    assert b"Date: tomorrow\r\n" in answer(PLAIN)


def test_secrets_are_not_remembered() -> None:
    fields = [*PLAIN, (b"Set-Cookie", b"session=secret")]
    for _ in range(3):
        assert b"session=secret" in answer(fields)
    assert not any(b"session=secret" in pair for key in heads._known for pair in key)


def test_what_is_remembered_is_bounded() -> None:
    for number in range(2 * heads.MEMO_SIZE):
        for _ in range(2):
            answer([(b"content-type", b"x/%d" % number)])
    assert len(heads._known) <= heads.MEMO_SIZE
    for number in range(2 * heads.HEADS_OF_FIELDS):
        answer(PLAIN, status=200 + number)
    fields = heads.fields_of({"headers": PLAIN})
    assert len(fields._heads) <= heads.HEADS_OF_FIELDS


def test_pairs_may_be_lists() -> None:
    for _ in range(3):
        assert b"content-type: text/plain\r\n" in answer([list(pair) for pair in PLAIN])


def test_a_field_that_is_wrong_is_refused_each_time() -> None:
    for _ in range(3):
        with pytest.raises(BadMessage):
            answer([(b"content-type", b"text/plain\r\nX-Injected: 1")])
        with pytest.raises(BadMessage):
            answer([("content-type", b"text/plain")])


def test_a_connection_is_closed_each_time_that_the_application_says_so() -> None:
    for _ in range(3):
        assert b"\r\nConnection: close\r\n" in answer([*PLAIN, (b"Connection", b"close")])
