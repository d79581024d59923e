"""The limits of a head that Tornado has read, and what a front-end says of its client."""

from __future__ import annotations

import pytest
from tornado.httputil import HTTPHeaders, RequestStartLine

from corn_core.errors import BadRequest, FieldsTooLarge, TargetTooLong
from corn_core.http import Limits
from corn_tornado.heads import claimed_scheme, examine, raw

LINE = RequestStartLine("GET", "/path", "HTTP/1.1")  # 18 bytes on the wire
FIELDS = HTTPHeaders({"Host": "x", "X-Long": "y" * 20})  # two, the longer one of 28 bytes
SECURE = {"X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on"}


@pytest.mark.parametrize(
    "limits",
    [
        Limits(request_line=18, fields=2, field_size=28),
        Limits(request_line=0, fields=0, field_size=0),
    ],
)
def test_heads_within_the_limits(limits: Limits) -> None:
    examine(LINE, raw(FIELDS), limits)


@pytest.mark.parametrize(
    ("limits", "error"),
    [
        (Limits(request_line=17), TargetTooLong),
        (Limits(fields=1), FieldsTooLarge),
        (Limits(field_size=27), FieldsTooLarge),
    ],
)
def test_heads_beyond_them(limits: Limits, error: type[BadRequest]) -> None:
    with pytest.raises(error):
        examine(LINE, raw(FIELDS), limits)


@pytest.mark.parametrize(
    ("fields", "scheme"),
    [
        ({}, None),
        ({"X-Forwarded-Proto": "https"}, "https"),
        ({"X-Forwarded-Proto": "http"}, "http"),
        ({"X-Forwarded-Proto": "https", "X-Forwarded-Ssl": "on"}, "https"),
    ],
)
def test_scheme_that_a_front_end_claims(fields: dict[str, str], scheme: str | None) -> None:
    assert claimed_scheme(HTTPHeaders(fields), SECURE) == scheme


def test_scheme_that_is_claimed_twice_differently() -> None:
    headers = HTTPHeaders()
    headers.add("X-Forwarded-Proto", "https")
    headers.add("X-Forwarded-Proto", "http")
    with pytest.raises(BadRequest):
        claimed_scheme(headers, SECURE)
