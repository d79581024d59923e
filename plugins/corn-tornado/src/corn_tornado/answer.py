"""What is known of a response, and where the server's own error pages go."""

from __future__ import annotations

from collections.abc import Iterable


class Answer:
    """What has been seen of a response so far; no code means nothing.

    :ivar fields: to be read once, if anybody wants to know them.
    :ivar sent: bytes of the body.
    """

    __slots__ = ("code", "fields", "reason", "sent")

    def __init__(self) -> None:
        self.begin(0, "", ())
        self.sent = 0

    def begin(self, code: int, reason: str, fields: Iterable[tuple[str, str]]) -> None:
        self.code, self.reason, self.fields = code, reason, fields


class Page:
    """A sink for an error page that somebody else is to write."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.send = self.data.extend

    def send_file(self, fd: int, offset: int, count: int) -> None:
        raise NotImplementedError("an error page is no file")

    def abort(self) -> None:
        """There is nothing to cut short."""
