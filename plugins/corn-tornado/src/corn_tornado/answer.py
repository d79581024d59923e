"""Records what is known about a response, and collects the server's own error pages."""

from __future__ import annotations

from collections.abc import Iterable


class Answer:
    """The part of a response seen so far; without a code, nothing has been seen.

    :ivar fields: the fields; can be read only once.
    :ivar sent: bytes of the body.
    """

    __slots__ = ("code", "fields", "reason", "sent")

    def __init__(self) -> None:
        self.begin(0, "", ())
        self.sent = 0

    def begin(self, code: int, reason: str, fields: Iterable[tuple[str, str]]) -> None:
        self.code, self.reason, self.fields = code, reason, fields


class Page:
    """A sink that collects an error page for another part of the code to write."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.send = self.data.extend

    def send_file(self, fd: int, offset: int, count: int) -> None:
        raise NotImplementedError("an error page is not a file")

    def abort(self) -> None:
        """Do nothing: there is nothing to cut short."""
