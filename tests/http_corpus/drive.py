"""Giving wire data to a parser in pieces, and writing down what comes out."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from corn_core.errors import BadRequest
from corn_core.http import Request, RequestParser
from tests.http_corpus.case import Case, Message


@dataclass(frozen=True)
class Outcome:
    """A parser's result for some wire data; the class of the error, not its text."""

    messages: tuple[Message, ...]
    error: type[BadRequest] | None
    error_target: str | None


def message_of(request: Request, body: bytes, cut: bool) -> Message:
    return Message(
        method=request.method,
        target=request.uri,
        fields=dict(request.fields),
        body=body,
        version=request.version,
        path=request.path,
        query=request.query,
        keep=request.keep_alive,
        trailers=tuple(request.trailers),
        waits=request.expect_continue,
        upgrade=request.upgrade,
        cut=cut,
    )


class Reader:
    """Drives a parser as a server does, except that it answers nothing."""

    def __init__(self, parser: RequestParser) -> None:
        self.parser = parser
        self.messages: list[Message] = []
        self.request: Request | None = None
        self.body = b""

    def take(self) -> None:
        """Go as far as what was fed allows."""
        while True:
            if self.request is None:
                self.request = self.parser.next_request()
                if self.request is None:
                    return
            while data := self.parser.read_body():
                self.body += data
            if data is not None:
                return
            self._write_down(cut=False)

    def _write_down(self, cut: bool) -> None:
        assert self.request is not None
        self.messages.append(message_of(self.request, self.body, cut))
        self.request, self.body = None, b""

    def run(self, pieces: Iterable[bytes]) -> Outcome:
        """Feed the pieces, and then the end."""
        error = None
        try:
            for piece in pieces:
                self.parser.feed(piece)
                self.take()
            self.parser.eof()
            self.take()
        except BadRequest as failure:
            error = type(failure)
            if self.request is not None:
                self._write_down(cut=True)
        known = self.parser.error_request
        return Outcome(tuple(self.messages), error, known.uri if known else None)


def bytewise(wire: bytes) -> list[bytes]:
    return [wire[at : at + 1] for at in range(len(wire))]


def cut_at(wire: bytes, places: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted(places), len(wire)]
    return [wire[start:end] for start, end in pairwise(bounds)]


def random_cuts(wire: bytes, seed: object) -> list[bytes]:
    """Some pieces, always the same ones for a seed; some of them may be empty."""
    chance = random.Random(f"{seed}")
    return cut_at(wire, [chance.randint(0, len(wire)) for _ in range(chance.randint(1, 6))])


def ways_to_cut(case: Case) -> dict[str, list[bytes]]:
    ways = {"whole": [case.wire], "byte by byte": bytewise(case.wire)}
    for turn in range(5):
        ways[f"random {turn}"] = random_cuts(case.wire, f"{case.name} {turn}")
    return ways


def check(case: Case, parser_class: type[RequestParser] = RequestParser) -> None:
    """Assert that a parser finds in the wire data what the case says, however it is cut."""
    wanted = Outcome(case.messages, case.error, case.error_target)
    for way, pieces in ways_to_cut(case).items():
        found = Reader(parser_class(case.limits)).run(pieces)
        assert found == wanted, f"{case.name}, {way}"


def with_fields(fields: dict[str, str], **changes: object) -> Message:
    """Make a message with these fields besides ``Host: a``."""
    return replace(Message(fields={"HTTP_HOST": "a", **fields}), **changes)  # type: ignore[arg-type]
