"""The corpus, run against the parser and compared with other parsers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from corn_core.errors import BadFraming, BodyTooLarge, FieldsTooLarge, TargetTooLong
from corn_core.http import Limits, Request, RequestParser
from tests.http_corpus.case import Case, Message
from tests.http_corpus.cases import CASES
from tests.http_corpus.deviations import DEVIATIONS, MILDER, Deviation
from tests.http_corpus.drive import check
from tests.http_corpus.peers import PEERS, Verdict

BY_NAME = {case.name: case for case in CASES}

# The peers have no such limits, or other ones.
OF_LIMITS = (BodyTooLarge, FieldsTooLarge, TargetTooLong)
COMPARABLE = [case for case in CASES if case.limits == Limits() and case.error not in OF_LIMITS]


# The cases are many, and take less time than pytest does for a test: one test tries them all.
def test_cases() -> None:
    for case in CASES:
        check(case)


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(CASES) >= 150


@pytest.mark.parametrize("peer", PEERS)
def test_peers_agree_or_the_deviation_is_documented(peer: str) -> None:
    deviating = [case.name for case in COMPARABLE if PEERS[peer](case.wire) != verdict(case)]
    assert [
        name
        for name in deviating
        if not any(deviation.covers(peer, name) for deviation in DEVIATIONS)
    ] == []


@pytest.mark.parametrize("deviation", DEVIATIONS, ids=lambda one: one.why)
def test_deviations_are_real(deviation: Deviation) -> None:
    milder = deviation in MILDER
    for pattern in deviation.cases:
        one = replace(deviation, cases=(pattern,))
        found = [
            (peer, case)
            for peer in deviation.peers
            for case in COMPARABLE
            if one.covers(peer, case.name) and PEERS[peer](case.wire) != verdict(case)
        ]
        assert found, pattern
        # Stricter means that corn refuses: a body of another length would be something else.
        assert all((verdict(case) is not None) is milder for _, case in found), pattern


def verdict(case: Case) -> Verdict:
    """Return what the case expects of its first message."""
    if not case.messages or case.messages[0].cut:
        return None
    first = case.messages[0]
    return first.method, first.target, first.body


# -- the checks bite -----------------------------------------------------------------

PLAIN, SECOND = BY_NAME["plain GET"], BY_NAME["a body between two requests"]
WRONG = [
    replace(PLAIN, messages=()),
    replace(PLAIN, messages=(Message("POST"),)),
    replace(PLAIN, messages=(Message(path="/b"),)),
    replace(PLAIN, messages=(Message(fields={}),)),
    replace(PLAIN, error=BadFraming),
    replace(PLAIN, wire=PLAIN.wire[:-1]),
    replace(SECOND, messages=SECOND.messages[:1]),
    replace(SECOND, messages=(replace(SECOND.messages[0], body=b"hell"), SECOND.messages[1])),
    replace(BY_NAME["two lengths"], error=BadFraming),
    replace(BY_NAME["two lengths"], error_target=None),
    replace(BY_NAME["half a chunk"], messages=()),
]


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_wrong_case_fails(case: Case) -> None:
    with pytest.raises(AssertionError):
        check(case)


class ForgetsTheSeam(RequestParser):
    """Searches for the blank line in each piece alone."""

    def feed(self, data: bytes) -> None:
        super().feed(data)
        self._searched = max(self._searched, len(self._data) - len(data))


class TakesTheLastLength(RequestParser):
    """Is content with both framing fields, as the attacker would like."""

    def next_request(self) -> Request | None:
        self._data = self._data.replace(b"Transfer-Encoding", b"Something-Harmless")
        return super().next_request()


class EndsEarly(RequestParser):
    """Takes a message that was cut short for a short message."""

    def eof(self) -> None:
        self.unread()


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (ForgetsTheSeam, "plain GET"),
        (TakesTheLastLength, "a length and chunked"),
        (EndsEarly, "half a chunk"),
        (EndsEarly, "half a request line"),
    ],
)
def test_broken_parser_fails(broken: type[RequestParser], name: str) -> None:
    with pytest.raises(AssertionError):
        check(BY_NAME[name], broken)
