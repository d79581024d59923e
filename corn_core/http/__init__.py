"""HTTP/1.x without I/O: bytes in, requests out; responses in, bytes out.

RFC 9110 defines HTTP's semantics, RFC 9112 version 1.1 on the wire. The modules, lowest first:
``grammar``, ``limits``, ``lines``, ``fields``, ``target``, ``head``, ``repeat``, ``partial``,
``framing``, ``body``, ``parser`` and ``response``.
"""

from corn_core.http.head import Request
from corn_core.http.limits import HeaderMap, Limits
from corn_core.http.parser import RequestParser
from corn_core.http.response import (
    CONTINUE,
    LAST_CHUNK,
    ResponseHead,
    encode_chunk,
    encode_head,
    encode_informational,
    error_page,
    read_field,
)

__all__ = [
    "CONTINUE",
    "LAST_CHUNK",
    "HeaderMap",
    "Limits",
    "Request",
    "RequestParser",
    "ResponseHead",
    "encode_chunk",
    "encode_head",
    "encode_informational",
    "error_page",
    "read_field",
]
