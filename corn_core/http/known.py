"""What a client sends again and again on one connection: all of its fields.

Programs that keep connections, from pools of clients to proxies and checks of health, send the
same fields with every request and only another path. Their lines are then not looked at one by
one, nor is it decided again what they mean: the same octets mean the same.
"""

from __future__ import annotations

from corn_core.http.grammar import match_request_line
from corn_core.http.head import HTTP_11, Request

LONGEST = 4096
"""Octets up to which fields are remembered; a connection holds on to them while it is idle."""


class KnownFields:
    """The fields of an earlier request without a body, in HTTP/1.1.

    :param ending: the head's octets from the end of its first line on.
    """

    __slots__ = ("_ending", "_fields", "_head", "_keep_alive", "_size", "_target")

    def __init__(self, ending: bytes, fields: dict[str, str], keep_alive: bool) -> None:
        self._ending = ending
        self._size = len(ending)
        self._fields = fields
        self._keep_alive = keep_alive
        self._head: bytes | None = None
        self._target = ("", "", "", "")

    def recall(self, head: bytes) -> Request | None:
        """The request of a head, if it has just these fields; otherwise it has to be parsed."""
        if head != self._head and not self._read_target(head):
            return None
        method, uri, path, query = self._target
        request = Request(method, uri, HTTP_11)
        request.path = path
        request.query = query
        request.head = head
        request.fields = self._fields.copy()
        request.keep_alive = self._keep_alive
        return request

    def _read_target(self, head: bytes) -> bool:
        """Read the first line of a head that has just these fields; False if it has others."""
        if not head.endswith(self._ending):
            return False
        # Another field before these would be part of what is taken for the first line here,
        # and no first line has an end of line in it.
        match = match_request_line(head[: -self._size].decode("latin-1"))
        if match is None:
            return False
        method, uri, minor = match.groups()
        if uri[0] != "/" or minor != "1" or method == "CONNECT":
            # The target has a say in what the fields mean, or the version has.
            return False
        path, _, query = uri.partition("?")
        self._head = head
        self._target = method, uri, path, query
        return True


def remember(request: Request, ending: bytes) -> KnownFields | None:
    """The fields of a request that has no body, unless they are special.

    :param ending: as for :class:`KnownFields`.
    """
    if (
        request.version is not HTTP_11
        or request.uri[0] != "/"
        or request.method == "CONNECT"
        or request.dropped is not None
        or request.upgrade
        or "HTTP_EXPECT" in request.fields
        or "CONTENT_LENGTH" in request.fields
        or not 0 < len(ending) <= LONGEST
    ):
        return None
    # A copy: the request's own is anybody's to change.
    return KnownFields(ending, request.fields.copy(), request.keep_alive)
