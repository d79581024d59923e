"""Recognises a head whose fields are the same as before on its connection.

Clients that keep connections open, such as connection pools and health checks, send the same
fields with every request, and only the path differs. The same octets mean the same thing, so
their lines need not be parsed again: an identical head takes about a fifth of the time, and one
with another path about a third. Where fields change every time, as behind a proxy, the comparison
costs next to nothing.
"""

from __future__ import annotations

from corn_core.http.grammar import match_request_line
from corn_core.http.head import HTTP_11, Request

LONGEST = 4096
"""The most octets of fields to remember, because a connection keeps them even while idle."""


class KnownFields:
    """The fields of an earlier request in HTTP/1.1, whose body was not chunked.

    :ivar ending: the octets of the head after its first line. A head that ends otherwise has other
        fields.
    :ivar head: the last head with these fields that was recognised.
    :ivar request: the request of that head, to be copied.
    """

    __slots__ = ("_size", "ending", "head", "request")

    def __init__(self, ending: bytes, request: Request) -> None:
        self.ending = ending
        self.head = request.head
        self._size = len(ending)
        self.request = request.again()

    def recognise(self, head: bytes) -> bool:
        """Read the first line of a head with this ending; returns False if it has more fields."""
        # If another field preceded these, it would be part of the text taken for the first line
        # here. That text could not match, because a first line contains no line end.
        match = match_request_line(head[: -self._size].decode("latin-1"))
        if match is None:
            return False
        method, uri, minor = match.groups()
        if uri[0] != "/" or minor != "1" or method == "CONNECT":
            # With such a target or version, the fields would have to be interpreted again.
            return False
        request = self.request
        request.method = method
        request.uri = uri
        request.path, _, request.query = uri.partition("?")
        request.head = self.head = head
        return True


def remember(request: Request, ending: bytes) -> KnownFields | None:
    """Return the fields of a request for reuse, or None if they are special.

    :param ending: as for :class:`KnownFields`.
    """
    if (
        request.version is not HTTP_11
        or request.uri[0] != "/"
        or request.method == "CONNECT"
        or request.dropped is not None
        or request.upgrade
        or "HTTP_EXPECT" in request.fields
        or request.chunked
        or not 0 < len(ending) <= LONGEST
    ):
        return None
    return KnownFields(ending, request)
