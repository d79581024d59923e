"""Requests begin and end where RFC 9112 says."""

from __future__ import annotations

import socket

import pytest

from corn_testkit import wire
from corn_testkit.candidate import Candidate, Subject
from corn_testkit.client import parse_all, read_all
from corn_testkit.wire import Wire


def answers(received: bytes) -> list[str | int]:
    return [reply.text if reply.status == 200 else reply.status for reply in parse_all(received)]


def expected(case: Wire, keepalive: bool) -> list[str | int]:
    """List all answers on a connection; a worker that closes answers the first request only."""
    if not keepalive:
        return [case.answers[0]]
    return [*case.answers, *(() if case.refused else (wire.LAST_ANSWER,))]


@pytest.mark.parametrize("case", wire.CASES, ids=str)
def test_message_on_the_wire(case: Wire, shared: Subject, candidate: Candidate) -> None:
    """A request ends where RFC 9112 says, and one that is malformed is refused."""
    received = shared.raw(case.sent + wire.LAST)
    assert answers(received) == expected(case, "keepalive" in candidate.capabilities)
    if case.refused:
        last = parse_all(received)[-1]
        assert last.header("Connection") == "close"


@pytest.mark.parametrize("case", wire.GOOD, ids=str)
def test_message_in_pieces(case: Wire, shared: Subject, candidate: Candidate) -> None:
    """A request means the same in whichever pieces it arrives."""
    sent = case.sent + wire.LAST
    with shared.address.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for start in range(0, len(sent), 3):
                client.sendall(sent[start : start + 3])
        except (BrokenPipeError, ConnectionResetError):
            pass  # the worker has closed after what it answered
        received = read_all(client)
    assert answers(received) == expected(case, "keepalive" in candidate.capabilities)


@pytest.mark.corn_lacks("asgi")
@pytest.mark.parametrize("case", wire.CUT_SHORT, ids=str)
def test_message_cut_short(case: Wire, shared: Subject) -> None:
    """The application is not called for a request that is cut short."""
    calls = len(shared.recording.of("pre_request"))
    with shared.address.connect() as client:
        client.sendall(case.sent)
        client.shutdown(socket.SHUT_WR)
        assert answers(read_all(client)) in ([], [400])
    assert len(shared.recording.of("pre_request")) == calls, "the application was called"
