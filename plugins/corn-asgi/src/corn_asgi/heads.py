"""Remembers the fields of responses and their encoded heads, because applications repeat theirs."""

from __future__ import annotations

from typing import Any

from corn_asgi.messages import BadMessage, Fields, Message, line_of, read_fields
from corn_core.http import ResponseHead, encode_head
from corn_core.plugin import http_date
from corn_core.worker import BadResponse

HeadKey = tuple[int, str, tuple[int, int], bool, int | None]
"""Status, the request's method and version, keep-alive, and the length of the body."""

_STEADY = frozenset(
    {
        *("access-control-allow-credentials", "access-control-allow-origin", "cache-control"),
        *("content-encoding", "content-language", "content-length", "content-type", "vary"),
        *("referrer-policy", "strict-transport-security", "x-content-type-options"),
        *("x-frame-options", "x-xss-protection"),
    }
)
"""The fields that are remembered: they are not secret, and rarely differ."""

MEMO_SIZE = 512
MEMO_VALUE = 256
HEADS_OF_FIELDS = 16

# None for what was seen once: only what comes again is worth more.
_known: dict[tuple[Any, ...], ResponseFields | None] = {}


class ResponseFields:
    """The fields of a response, and the heads that were made of them.

    :ivar text: the fields, for hooks, logs and the encoder.
    :ivar closes: True if the application asks for the end of the connection.
    :ivar steady: True if they may be remembered.
    """

    __slots__ = ("_heads", "closes", "steady", "text")

    def __init__(self, text: Fields) -> None:
        self.text = text
        self.closes = False
        self.steady = True
        self._heads: dict[HeadKey, tuple[bytes, ResponseHead]] = {}
        for name, value in text:
            key = name.lower()
            if key not in _STEADY or len(value) > MEMO_VALUE:
                self.steady = False
                if key == "connection" and "close" in value.lower():
                    self.closes = True

    def head(
        self,
        status: int,
        method: str,
        version: tuple[int, int],
        keep_alive: bool,
        length: int | None,
    ) -> ResponseHead:
        """Return the head with these fields; see ``encode_head``.

        :raises BadMessage: for what cannot be sent as HTTP.
        """
        key = status, method, version, keep_alive, length
        date = http_date()
        made = self._heads.get(key)
        # The date is the same object for a second.
        if made is not None and made[0] is date:
            return made[1]
        try:
            head = encode_head(
                line_of(status),
                self.text,
                method=method,
                version=version,
                keep_alive=keep_alive,
                date=date,
                body_length=length,
            )
        except BadResponse as error:
            raise BadMessage(f"http.response.start: {error}") from None
        if len(self._heads) >= HEADS_OF_FIELDS:
            self._heads.clear()
        self._heads[key] = date, head
        return head


def fields_of(message: Message) -> ResponseFields:
    """Return the header fields of a message.

    :raises BadMessage: when they are not pairs of bytes.
    """
    raw = message.get("headers", ())
    if type(raw) is not list and type(raw) is not tuple:
        return ResponseFields(read_fields(message))  # it may be possible to read them only once
    pairs = tuple(raw)
    try:
        known = _known.get(pairs)
        if known is not None:
            return known
        seen = pairs in _known
    except TypeError:
        return ResponseFields(read_fields(message))  # pairs that are lists
    fields = ResponseFields(read_fields(message))
    if fields.steady:
        if len(_known) >= MEMO_SIZE:
            _known.clear()
        _known[pairs] = fields if seen else None
    return fields
