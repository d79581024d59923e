"""Translates the head of a request, as parsed by Tornado, for the rest of the server."""

from __future__ import annotations

from tornado.httputil import HTTPHeaders, RequestStartLine

from corn_core.http import Limits
from corn_core.worker import BadRequest, FieldsTooLarge, TargetTooLong

RawHeaders = list[tuple[bytes, bytes]]

_VERSIONS = {"HTTP/1.0": (1, 0)}


def version_of(start_line: RequestStartLine) -> tuple[int, int]:
    """Return the version as a pair; Tornado accepts no other major version."""
    return _VERSIONS.get(start_line.version, (1, 1))


def raw(headers: HTTPHeaders) -> RawHeaders:
    """Return the fields in order as bytes; Tornado has decoded them as Latin-1."""
    return [
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in headers.get_all()
    ]


def examine(start_line: RequestStartLine, fields: RawHeaders, limits: Limits) -> None:
    """Check a head against the limits.

    :raises TargetTooLong: for the request line.
    :raises FieldsTooLarge: for the fields.
    """
    # Two spaces separate the three parts.
    length = sum(map(len, start_line)) + 2
    if 0 < limits.request_line < length:
        raise TargetTooLong(f"the request line is longer than {limits.request_line} bytes")
    if 0 < limits.fields < len(fields):
        raise FieldsTooLarge(f"more than {limits.fields} header fields")
    longest = limits.field_size - len(": ")
    if limits.field_size and any(len(name) + len(value) > longest for name, value in fields):
        raise FieldsTooLarge(f"a header field is longer than {limits.field_size} bytes")


def claimed_scheme(headers: HTTPHeaders, secure_values: dict[str, str]) -> str | None:
    """Return the scheme that a front end reports for its client, or None if it reports none.

    :param secure_values: ``secure_scheme_headers``.
    :raises BadRequest: when its fields contradict each other.
    """
    said = {
        value == secure
        for name, secure in secure_values.items()
        for value in headers.get_list(name)
    }
    if len(said) > 1:
        raise BadRequest("the fields of secure_scheme_headers contradict each other")
    return ("https" if said.pop() else "http") if said else None
