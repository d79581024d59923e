"""Encodes responses, so that the bytes are certainly one response and not more."""

from __future__ import annotations

from collections.abc import Sequence

from corn_core.errors import BadResponse
from corn_core.http.framing import frame_response
from corn_core.http.grammar import (
    is_content_length,
    is_field_value,
    is_token,
    match_status,
)
from corn_core.http.head import HTTP_10

LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body without trailers (RFC 9112 section 7.1)."""
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""The interim response to a client that waits for it before it sends the body."""

Field = tuple[str, str]
Encoded = tuple[bytes, int | None]
"""A field line ready to send, and its number if it is Content-Length."""

# Status lines and field lines used before. As for requests (fields.py), they are validated once
# and looked up from then on. Only the fields named here are kept: they are not secret and rarely
# differ.
_starts: dict[str, tuple[int, bytes]] = {}
_lines: dict[Field, Encoded] = {}
MEMO_SIZE = 1024
MEMO_LINE = 256
_STEADY = frozenset(
    {
        *("accept-ranges", "access-control-allow-credentials", "access-control-allow-headers"),
        *("access-control-allow-methods", "access-control-allow-origin", "allow"),
        *("cache-control", "content-encoding", "content-language", "content-length"),
        *("content-type", "cross-origin-opener-policy", "pragma", "referrer-policy"),
        *("permissions-policy", "strict-transport-security", "vary", "x-content-type-options"),
        *("x-frame-options", "x-xss-protection"),
    }
)

# Fields that concern only the connection are the server's business, not the application's
# (PEP 3333 "Other HTTP Features"; RFC 9110 section 7.6.1). We send Server and Date ourselves, once.
_DROPPED = frozenset(
    {
        *("connection", "date", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("proxy-connection", "server", "te", "trailer", "trailers", "transfer-encoding"),
        "upgrade",
    }
)


class ResponseHead:
    """The head of a response as bytes, and how to send its body.

    :ivar data: the head, with the blank line.
    :ivar status_code: the status as a number.
    :ivar chunked: true if each piece of the body must go through :func:`encode_chunk`, and be
        followed by :data:`LAST_CHUNK` at the end.
    :ivar content_length: the length that the head announces, ``None`` if it announces none.
    :ivar has_body: true if a body may be sent; false for HEAD, 1xx, 204 and 304.
    :ivar keep_alive: true if another response may follow on the connection.
    """

    __slots__ = ("chunked", "content_length", "data", "has_body", "keep_alive", "status_code")

    def __init__(
        self,
        data: bytes,
        status_code: int,
        has_body: bool,
        chunked: bool,
        content_length: int | None,
        keep_alive: bool,
    ) -> None:
        self.data = data
        self.status_code = status_code
        self.has_body = has_body
        self.chunked = chunked
        self.content_length = content_length
        self.keep_alive = keep_alive


def encode_head(
    status: str,
    headers: Sequence[Field],
    *,
    method: str,
    version: tuple[int, int],
    keep_alive: bool,
    date: bytes,
    body_length: int | None,
) -> ResponseHead:
    """Encode the head of a final response, or of 101.

    Its version is always 1.1, which is the server's, whatever the client's (RFC 9110 section 6.2).

    :param status: code and reason, such as ``200 OK``.
    :param headers: the application's fields. Hop-by-hop ones, Server and Date are left out.
    :param method: the request's, as is ``version``.
    :param keep_alive: false if the connection must be closed after the response.
    :param date: the value of the Date field.
    :param body_length: the length of the body if the server knows it, for an application that
        sends no Content-Length.
    :raises BadResponse: for what cannot be sent as HTTP.
    """
    code, start = _starts.get(status) or _read_status(status)
    parts = [start, date, b"\r\n"]
    declared = None
    own = b""
    for field in headers:
        try:
            line, length = _lines.get(field) or read_field(field)
        except TypeError:
            # Something unhashable, such as a list.
            raise BadResponse(f"not a tuple of name and value: {field!r}") from None
        if length is None:
            parts.append(line)
        elif declared is None:
            declared = length
            own = line
        else:
            raise BadResponse("repeated Content-Length")
    has_body, chunked, length, keep_alive = frame_response(
        code, method, version, keep_alive, declared, body_length
    )
    if length is not None:
        parts.append(own if length == declared else b"Content-Length: %d\r\n" % length)
    elif chunked:
        parts.append(b"Transfer-Encoding: chunked\r\n")
    if code < 200:
        parts.append(_ending_of_interim(code, headers, version))
    elif not keep_alive:
        parts.append(b"Connection: close\r\n\r\n")
    elif version == HTTP_10:
        # HTTP/1.0 closes unless told otherwise (RFC 9112 section 9.3).
        parts.append(b"Connection: keep-alive\r\n\r\n")
    else:
        parts.append(b"\r\n")
    return ResponseHead(b"".join(parts), code, has_body, chunked, length, keep_alive)


def _read_status(status: str) -> tuple[int, bytes]:
    """Parse a status; returns the code, and the head up to the value of Date."""
    match = match_status(status)
    if match is None:
        raise BadResponse(f"malformed status: {status!r}")
    text = f"HTTP/1.1 {match[1]} {match[2] or ''}\r\nServer: corn\r\nDate: "
    start = int(match[1]), text.encode("latin-1")
    if len(status) <= MEMO_LINE:
        if len(_starts) >= MEMO_SIZE:
            _starts.clear()
        _starts[status] = start
    return start


def read_field(field: Field) -> Encoded:
    """Encode a field of the application; the result is empty for one that it may not set.

    :raises BadResponse: for names and values that would not be one field line.
    """
    if not isinstance(field, tuple) or len(field) != 2:
        raise BadResponse(f"not a tuple of name and value: {field!r}")
    name, value = field
    if not isinstance(name, str) or not isinstance(value, str):
        raise BadResponse(f"name and value of a field must be str: {field!r}")
    if type(name) is not str or type(value) is not str:
        # A subclass may show one text to the checks below and another to the encoder.
        return read_field((str.__str__(name), str.__str__(value)))
    # RFC 9110 sections 5.1 and 5.5: no CR, LF, NUL or other control characters.
    if not is_token(name):
        raise BadResponse(f"malformed field name: {name!r}")
    if not is_field_value(value):
        raise BadResponse(f"control character or one beyond latin-1 in field {name}: {value!r}")
    key = name.lower()
    value = value.strip(" \t")
    number = None
    if key == "content-length":
        if not is_content_length(value):
            raise BadResponse(f"malformed Content-Length: {value!r}")
        number = int(value)
        name, value = "Content-Length", str(number)
    line = b"" if key in _DROPPED else f"{name}: {value}\r\n".encode("latin-1")
    encoded = line, number
    if key in _STEADY and len(line) <= MEMO_LINE:
        if len(_lines) >= MEMO_SIZE:
            _lines.clear()
        _lines[field] = encoded
    return encoded


def _ending_of_interim(code: int, headers: Sequence[Field], version: tuple[int, int]) -> bytes:
    """Return the end of a 1xx head; for 101, the fields that switch protocols."""
    if version == HTTP_10:
        # RFC 9110 section 15.2.
        raise BadResponse(f"{code} is not for a client of HTTP/1.0")
    if code != 101:
        return b"Connection: close\r\n\r\n"
    # RFC 9110 section 15.2.2: Upgrade must name the protocol; we only allow WebSocket (RFC 6455).
    for name, value in headers:
        if name.lower() == "upgrade" and value.strip().lower() == "websocket":
            return b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    raise BadResponse("101 without 'Upgrade: websocket'")


def encode_chunk(data: bytes) -> bytes:
    """Encode one chunk (RFC 9112 section 7.1), or none for empty data, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def encode_informational(status: str, headers: Sequence[Field]) -> bytes:
    """Encode an interim response such as ``103 Early Hints`` (RFC 9110 section 15.2, RFC 8297).

    :raises BadResponse: for what cannot be sent as HTTP, and for statuses other than 1xx. 101 is
        not interim, because no other response follows it.
    """
    match = match_status(status)
    if match is None or match[1][0] != "1" or match[1] == "101":
        raise BadResponse(f"not an interim status: {status!r}")
    parts = [f"HTTP/1.1 {match[1]} {match[2] or ''}\r\n".encode("latin-1")]
    for field in headers:
        line, number = read_field(field)
        # RFC 9110 section 8.6: no Content-Length in 1xx.
        parts.append(line if number is None else b"")
    return b"".join((*parts, b"\r\n"))


def error_page(status: int, reason: str, message: str) -> tuple[list[Field], bytes]:
    """Make the fields and body of a small page that tells a client what was wrong.

    :param message: plain text, possibly from the client; it is escaped.
    """
    title = f"{status} {_escape(reason)}"
    text = (
        f"<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n"
        f"<body>\n<h1>{title}</h1>\n<p>{_escape(message)}</p>\n</body>\n</html>\n"
    )
    body = text.encode("latin-1", "xmlcharrefreplace")
    fields = [
        ("Content-Type", "text/html; charset=iso-8859-1"),
        ("Content-Length", str(len(body))),
    ]
    return fields, body


def _escape(text: str) -> str:
    # html.escape would also import a table of all named entities.
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")
