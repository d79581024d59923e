"""A case of the corpus: bytes on the wire, and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from corn_core.errors import BadRequest
from corn_core.http import Limits


@dataclass(frozen=True)
class Message:
    """A request with its body, as it is expected and as it was found.

    :param fields: by environ name, as they are when the body has been read.
    :param keep: whether the client wants to keep the connection.
    :param cut: whether an error ended the body before it was complete.
    """

    method: str = "GET"
    target: str = "/"
    fields: Mapping[str, str] = field(default_factory=lambda: {"HTTP_HOST": "a"})
    body: bytes = b""
    version: tuple[int, int] = (1, 1)
    path: str = "/"
    query: str = ""
    keep: bool = True
    trailers: tuple[tuple[str, str], ...] = ()
    waits: bool = False
    upgrade: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Case:
    """One piece of wire data; after it, the client closes its side.

    :param rfc: where it is decided that it means this.
    :param messages: the requests in it.
    :param error: what ends them; ``None`` when nothing is wrong.
    :param error_target: the target of a request that failed after its first line.
    """

    name: str
    rfc: str
    wire: bytes
    messages: tuple[Message, ...] = ()
    error: type[BadRequest] | None = None
    error_target: str | None = None
    limits: Limits = field(default_factory=Limits)

    def __str__(self) -> str:
        return self.name
