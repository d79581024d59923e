from __future__ import annotations

import pytest

from corn_core.errors import BadFraming, BadRequest, BodyTooLarge, CodingNotImplemented
from corn_core.http.framing import Framing, frame_request, frame_response
from corn_core.http.head import HTTP_10, HTTP_11, Request

LIMIT = 100


def request(coding: str | None, length: str | None, version: tuple[int, int]) -> Request:
    found = Request("POST", "/", version)
    if coding is not None:
        found.fields["HTTP_TRANSFER_ENCODING"] = coding
    if length is not None:
        found.fields["CONTENT_LENGTH"] = length
    return found


@pytest.mark.parametrize(
    ("coding", "length", "version", "chunked", "content_length"),
    [
        (None, None, HTTP_11, False, None),
        (None, None, HTTP_10, False, None),
        (None, "0", HTTP_11, False, 0),
        (None, "7", HTTP_10, False, 7),
        (None, str(LIMIT), HTTP_11, False, LIMIT),
        ("chunked", None, HTTP_11, True, None),
        ("Chunked", None, HTTP_11, True, None),
    ],
)
def test_request(
    coding: str | None,
    length: str | None,
    version: tuple[int, int],
    chunked: bool,
    content_length: int | None,
) -> None:
    found = request(coding, length, version)
    frame_request(found, LIMIT)
    assert (found.chunked, found.content_length) == (chunked, content_length)
    assert found.has_body is (chunked or content_length not in (None, 0))


@pytest.mark.parametrize(
    ("coding", "length", "version", "error", "text"),
    [
        ("chunked", None, HTTP_10, BadFraming, "HTTP/1.0"),
        ("gzip", None, HTTP_10, BadFraming, "HTTP/1.0"),
        ("chunked", "5", HTTP_11, BadFraming, "both"),
        ("chunked", "", HTTP_11, BadFraming, "both"),
        ("", "5", HTTP_11, BadFraming, "both"),
        ("gzip", "5", HTTP_11, BadFraming, "both"),
        ("", None, HTTP_11, BadFraming, "malformed Transfer-Encoding"),
        ("chunked, chunked", None, HTTP_11, BadFraming, "malformed Transfer-Encoding"),
        ("chunked,gzip", None, HTTP_11, BadFraming, "malformed Transfer-Encoding"),
        ("gzip,,chunked", None, HTTP_11, BadFraming, "malformed Transfer-Encoding"),
        ("chunked;a", None, HTTP_11, BadFraming, "malformed Transfer-Encoding"),
        ("chunked;a, gzip", None, HTTP_11, BadFraming, "malformed Transfer-Encoding"),
        ("gzip, chunked", None, HTTP_11, CodingNotImplemented, "unknown transfer coding"),
        ("gzip;a=b", None, HTTP_11, CodingNotImplemented, "unknown transfer coding"),
        (None, "", HTTP_11, BadFraming, "malformed Content-Length"),
        (None, "5,5", HTTP_11, BadFraming, "malformed Content-Length"),
        (None, "-1", HTTP_11, BadFraming, "malformed Content-Length"),
        (None, "\u00b2", HTTP_11, BadFraming, "malformed Content-Length"),
        (None, "9" * 19, HTTP_11, BadFraming, "malformed Content-Length"),
        (None, str(LIMIT + 1), HTTP_11, BodyTooLarge, "more than 100"),
    ],
)
def test_refused_request(
    coding: str | None,
    length: str | None,
    version: tuple[int, int],
    error: type[BadRequest],
    text: str,
) -> None:
    found = request(coding, length, version)
    with pytest.raises(error, match=text) as caught:
        frame_request(found, LIMIT)
    assert type(caught.value) is error
    assert not found.chunked


def test_no_limit_of_a_body() -> None:
    found = request(None, "9" * 18, HTTP_11)
    frame_request(found, 0)
    assert found.content_length == int("9" * 18)


# code, method, version, keep_alive, declared, known -> has_body, chunked, length, keep_alive
RESPONSES: list[tuple[tuple[int, str, tuple[int, int], bool, int | None, int | None], Framing]] = [
    # 1: no body, no length; after a 1xx the connection is not reused
    ((204, "GET", HTTP_11, True, 5, 5), (False, False, None, True)),
    ((204, "GET", HTTP_10, True, None, None), (False, False, None, True)),
    ((204, "GET", HTTP_11, False, None, None), (False, False, None, False)),
    ((100, "GET", HTTP_11, True, 5, 5), (False, False, None, False)),
    ((101, "GET", HTTP_11, True, None, None), (False, False, None, False)),
    # 2: a tunnel
    ((200, "CONNECT", HTTP_11, True, 5, 5), (True, False, None, False)),
    ((403, "CONNECT", HTTP_11, True, None, 5), (True, False, 5, True)),
    # 3: what the application says of the 200, and nothing else
    ((304, "GET", HTTP_11, True, 5, None), (False, False, 5, True)),
    ((304, "GET", HTTP_11, True, None, 0), (False, False, None, True)),
    ((304, "HEAD", HTTP_10, True, None, 7), (False, False, None, True)),
    # 4: the length of GET's body
    ((200, "HEAD", HTTP_11, True, 5, None), (False, False, 5, True)),
    ((200, "HEAD", HTTP_11, True, 5, 7), (False, False, 5, True)),
    ((200, "HEAD", HTTP_11, True, None, 7), (False, False, 7, True)),
    ((200, "HEAD", HTTP_10, True, None, None), (False, False, None, True)),
    # 5: the application's word before ours
    ((200, "GET", HTTP_11, True, 5, None), (True, False, 5, True)),
    ((200, "GET", HTTP_11, True, 5, 7), (True, False, 5, True)),
    ((200, "GET", HTTP_11, True, 0, 7), (True, False, 0, True)),
    ((200, "GET", HTTP_10, True, None, 7), (True, False, 7, True)),
    ((404, "POST", HTTP_11, False, None, 0), (True, False, 0, False)),
    # 6: chunked
    ((200, "GET", HTTP_11, True, None, None), (True, True, None, True)),
    ((200, "GET", HTTP_11, False, None, None), (True, True, None, False)),
    # 7: until the end
    ((200, "GET", HTTP_10, True, None, None), (True, False, None, False)),
    ((200, "GET", HTTP_10, False, None, None), (True, False, None, False)),
]


@pytest.mark.parametrize(("arguments", "framing"), RESPONSES, ids=lambda one: str(one))
def test_response(arguments: tuple[object, ...], framing: Framing) -> None:
    assert frame_response(*arguments) == framing  # type: ignore[arg-type]
