"""The head of a request: its first line, its fields, and what they ask of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from corn_core.errors import (
    BadFieldLine,
    BadRequest,
    BadRequestLine,
    ExpectationFailed,
    VersionNotSupported,
)
from corn_core.http.fields import Pair, known_name, read_field, refuse_both_spellings, split_lines
from corn_core.http.grammar import (
    is_clean,
    is_host,
    is_target,
    is_token,
    is_version,
    match_request_line,
    shown,
)
from corn_core.http.limits import Limits
from corn_core.http.target import split_target

HTTP_10 = (1, 0)
HTTP_11 = (1, 1)

# RFC 9112 section 3.2 for Host, section 6.3 rule 5 for Content-Length. With two content types, a
# filter in front of us and the application might read different ones.
_ONCE = frozenset({"HTTP_HOST", "CONTENT_TYPE", "CONTENT_LENGTH"})


# Values of Host that were well-formed, because most requests of a server have the same few.
_hosts: set[str | None] = set()
_HOSTS = 256
_HOST_LENGTH = 64


class Request:
    """The head of a request, parsed.

    :ivar method: as sent; methods are case-sensitive.
    :ivar uri: the target as sent, one character per byte.
    :ivar path: the target's path, still percent-encoded; empty for CONNECT and ``OPTIONS *``.
    :ivar query: what follows the ``?``, or empty.
    :ivar version: ``(1, 0)`` or ``(1, 1)``.
    :ivar head: the raw head, without its last line end and the blank line.
    :ivar fields: values by environ name (``HTTP_HOST``, ``CONTENT_TYPE``). The values of a
        repeated field are joined with commas, those of cookies with semicolons. ``HTTP_HOST`` is
        the authority of a target in absolute-form (RFC 9112 section 3.2.2). Once a chunked body
        is complete, ``CONTENT_LENGTH`` replaces ``HTTP_TRANSFER_ENCODING``.
    :ivar dropped: the lines that ``header_map`` left out, one character per byte.
    :ivar keep_alive: true if the client accepts another request on the connection.
    :ivar content_length: the value of Content-Length, or ``None`` without that field.
    :ivar chunked: true if the body has the chunked transfer coding.
    :ivar has_body: true if content follows the head.
    :ivar expect_continue: true if the client waits for a 100 before it sends the body.
    :ivar upgrade: true if the client offers to switch to the protocols in ``HTTP_UPGRADE``.
    :ivar trailers: upper-case names and values sent after a chunked body, once it has been read.
    """

    __slots__ = (
        "_headers",
        "chunked",
        "content_length",
        "dropped",
        "expect_continue",
        "fields",
        "has_body",
        "head",
        "keep_alive",
        "method",
        "path",
        "query",
        "trailers",
        "upgrade",
        "uri",
        "version",
    )

    def __init__(self, method: str, uri: str, version: tuple[int, int]) -> None:
        self.method = method
        self.uri = uri
        self.path = uri
        self.query = ""
        self.version = version
        self.head = b""
        self.fields: dict[str, str] = {}
        self.dropped: set[str] | None = None
        self.keep_alive = version is HTTP_11
        self.content_length: int | None = None
        self.chunked = False
        self.has_body = False
        self.expect_continue = False
        self.upgrade = False
        self.trailers: list[Pair] = []
        self._headers: list[Pair] | None = None

    def again(self) -> Request:
        """Make a request with the same head; only for one without trailers.

        A client's next request mostly is. All attributes are copied one by one, because going
        through the constructor, and then changing what it has set, would take twice as long.
        """
        request = _new_request(Request)
        request.method = self.method
        request.uri = self.uri
        request.path = self.path
        request.query = self.query
        request.version = self.version
        request.head = self.head
        # A copy, because hooks and applications may change the request's own.
        request.fields = self.fields.copy()
        request.dropped = self.dropped
        request.keep_alive = self.keep_alive
        request.content_length = self.content_length
        request.chunked = self.chunked
        request.has_body = self.has_body
        request.expect_continue = self.expect_continue
        request.upgrade = self.upgrade
        request.trailers = []
        request._headers = None
        return request

    @property
    def headers(self) -> list[Pair]:
        """The upper-case names and values of all fields, in order, repetitions included."""
        if self._headers is None:
            dropped = self.dropped or ()
            lines = self.head.decode("latin-1").split("\r\n")[1:]
            self._headers = split_lines(line for line in lines if line not in dropped)
        return self._headers


_new_request = Request.__new__


def read_request_line(line: str) -> Request:
    """Parse a request line; returns a request with nothing but that filled in.

    :raises BadRequestLine: when it is malformed.
    :raises VersionNotSupported: for versions other than 1.0 and 1.1.
    """
    match = match_request_line(line)
    if match is None:
        raise explain(line)
    method, uri, minor = match.groups()
    request = Request(method, uri, HTTP_11 if minor == "1" else HTTP_10)
    if uri[0] == "/" and method != "CONNECT":
        # origin-form = absolute-path [ "?" query ]                (RFC 9112 section 3.2.1)
        if "?" in uri:
            request.path, _, request.query = uri.partition("?")
        return request
    request.path, request.query, authority = split_target(method, uri)
    if authority is not None:
        request.fields["HTTP_HOST"] = authority
    return request


def explain(line: str) -> BadRequest:
    """Say what is wrong with a line that is not a request line of HTTP/1.x."""
    parts = line.split(" ")
    if len(parts) != 3:
        # RFC 9112 section 3: one SP between the three; also HTTP/0.9, which had no version.
        return BadRequestLine(f"not 'METHOD TARGET VERSION': {shown(line)}")
    method, target, version = parts
    if not is_token(method):
        return BadRequestLine(f"malformed method: {shown(method)}")
    if not is_version(version):
        return BadRequestLine(f"malformed version: {shown(version)}")
    if "#" in target:
        return BadRequestLine(f"fragment in target: {shown(target)}")
    if not is_target(target):
        return BadRequestLine(f"malformed target: {shown(target)}")
    return VersionNotSupported(f"unsupported version: {version}")


def read_fields(request: Request, lines: list[str], limits: Limits) -> None:
    """Add the field lines to a request of which the first line is known.

    A line is a field line if its octets are those of one, and its name is a token. The first is
    checked for all lines at once, the second once for each name. Whatever does not pass here is
    read line by line, which also finds out what is wrong with it.

    :raises BadFieldLine: when one is malformed, missing or repeated.
    """
    authority = request.fields.get("HTTP_HOST")
    clean = is_clean(request.head, len(lines))
    fields = _read_distinct(lines) if clean else None
    if fields is None:
        fields = _read_each(request, lines, limits, known_name if clean else _find_nothing)
    request.fields = fields
    host = fields.get("HTTP_HOST")
    if host not in _hosts:
        _check_host(host, request.version)
    if authority is not None:
        # RFC 9112 section 3.2.2: the Host field is ignored in this case.
        fields["HTTP_HOST"] = authority
    if limits.header_map == "keep":
        refuse_both_spellings(request.headers)


def _read_distinct(lines: list[str]) -> dict[str, str] | None:
    """Read field lines of different names that were all seen before; None if they are not such.

    Nearly every head consists of these, and a loop that need not ask about each line takes two
    thirds of the time. Afterwards it shows whether a name was unknown or repeated.
    """
    fields: dict[str | None, str] = {}
    try:
        for line in lines:
            sent, value = line.split(":", 1)
            fields[known_name(sent)] = value.strip(" \t")
    except ValueError:
        return None  # a line without a colon
    if None in fields or len(fields) != len(lines):
        return None
    return cast("dict[str, str]", fields)


def _read_each(
    request: Request, lines: list[str], limits: Limits, find: Callable[[str], str | None]
) -> dict[str, str]:
    """Read field lines of any kind.

    :param find: returns the environ name for a name which is known to be well-formed.
    :raises BadFieldLine: for a line that is malformed or must not be repeated.
    """
    fields: dict[str, str] = {}
    repeated: dict[str, list[str]] = {}
    for line in lines:
        sent, colon, value = line.partition(":")
        name = find(sent)
        if name and colon:
            value = value.strip(" \t")
        else:
            pair = read_field(line, limits.header_map)
            if pair is None:
                _drop(request, line)
                continue
            name, value = pair
        if name in fields:
            repeated.setdefault(name, [fields[name]]).append(value)
        else:
            fields[name] = value
    if repeated:
        _combine(fields, repeated)
    return fields


def _check_host(host: str | None, version: tuple[int, int]) -> None:
    """Refuse what RFC 9112 section 3.2 requires a server to answer with 400."""
    if host is None:
        # This applies to every form of the target.
        if version is HTTP_11:
            raise BadFieldLine("no Host field, which HTTP/1.1 requires")
        return
    if not is_host(host):
        raise BadFieldLine(f"malformed Host: {shown(host)}")
    if len(host) <= _HOST_LENGTH:
        if len(_hosts) >= _HOSTS:
            _hosts.clear()
        _hosts.add(host)


def _find_nothing(name: str) -> None:
    """Stand in for :func:`known_name`, so that every line is read on its own."""


def _drop(request: Request, line: str) -> None:
    if request.dropped is None:
        request.dropped = set()
    request.dropped.add(line)


def _combine(fields: dict[str, str], repeated: dict[str, list[str]]) -> None:
    """Combine the values of repeated fields (RFC 9110 section 5.3).

    Each field's at once, because one by one would copy the first as often as there are others.
    """
    for name, values in repeated.items():
        if name in _ONCE:
            raise BadFieldLine(f"repeated field {name.removeprefix('HTTP_').replace('_', '-')}")
        # Cookies are not a list; semicolons separate them (RFC 6265 section 4.2.1).
        fields[name] = ("; " if name == "HTTP_COOKIE" else ",").join(values)


def read_intentions(request: Request) -> None:
    """Find out what the client wants of the connection, once the framing is known.

    :raises ExpectationFailed: for an expectation other than 100-continue.
    """
    fields = request.fields
    if "HTTP_CONNECTION" in fields:
        options = split_list(fields["HTTP_CONNECTION"])
        # RFC 9112 section 9.3: close wins; HTTP/1.0 has to ask for persistence.
        if "close" in options:
            request.keep_alive = False
        elif "keep-alive" in options:
            request.keep_alive = True
        # RFC 9110 section 7.8: Upgrade needs the connection option, and HTTP/1.1.
        if "upgrade" in options and fields.get("HTTP_UPGRADE"):
            request.upgrade = request.version is HTTP_11
    if "HTTP_EXPECT" in fields:
        # RFC 9110 section 10.1.1: a case-insensitive list; 417 for unknown expectations. There is
        # nothing to do for HTTP/1.0, or if there is no body to hold back.
        if any(one != "100-continue" for one in split_list(fields["HTTP_EXPECT"])):
            raise ExpectationFailed(f"unknown expectation: {shown(fields['HTTP_EXPECT'])}")
        request.expect_continue = request.version is HTTP_11 and request.has_body


def split_list(value: str) -> list[str]:
    """Split a list field into its members, in lower case (RFC 9110 section 5.6.1)."""
    if "," not in value:
        return [value.lower()]
    return [member.strip(" \t") for member in value.lower().split(",")]
