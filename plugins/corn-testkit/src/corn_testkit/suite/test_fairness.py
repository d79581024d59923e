"""Clients that never stop asking leave the others their turn: new ones, and those that are in.

All is told from the order in which requests reach the application, and none of it from the time
that anything takes. Where many things have to happen at once, the worker is held meanwhile.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from socket import MSG_DONTWAIT

import pytest

from corn_testkit.candidate import Candidate, Start, Subject
from corn_testkit.crowd import Crowd, Member, held, shares, turns_until_all

ROUNDS = 2
"""Turns for each client within which all of them have had one."""

ROUNDS_OF_A_LOOP = 3
"""The same for newcomers of an event loop, whose transport takes a round to be made."""

UNFAIR = 8
"""Turns for each client after which those that had none are not waited for any more."""

TRIES = 3
"""Crowds of which the workers have to share one. On a busy machine one of them may not run for
longer than the others leave it its turn; workers that do not share take all they can each time."""

MEBIBYTE = 1024 * 1024

UPLOADS, UPLOAD = 128, 256 * 1024
"""How many clients upload, and how many bytes each."""

turns = pytest.mark.corn_needs("turns")
keepalive = pytest.mark.corn_needs("keepalive")

Gather = Callable[..., tuple[Subject, Crowd]]


@pytest.fixture
def gather(start: Start, candidate: Candidate) -> Iterator[Gather]:
    """A function that starts a server of ``busy:app``, and has a crowd for it."""
    crowds: list[Crowd] = []

    def begin(workers: int = 1) -> tuple[Subject, Crowd]:
        subject = start("--keep-alive=60", app="busy:app", workers=workers)
        crowd = Crowd(subject.address, "keepalive" in candidate.capabilities)
        crowds.append(crowd)
        return subject, crowd

    yield begin
    for crowd in crowds:
        crowd.leave()


def order_of(subject: Subject, crowd: Crowd) -> list[str]:
    """Let the crowd leave, and return the paths of all requests in their order."""
    crowd.leave()
    return subject.get("/order").split("\n")


def another_for(members: Sequence[Member]) -> Callable[[], bool]:
    """Make a condition: that each of them has had another answer by then."""
    before = [one.answers for one in members]
    return lambda: all(one.answers > count for one, count in zip(members, before, strict=True))


def either(condition: Callable[[], bool], crowd: Crowd, answers: int) -> Callable[[], bool]:
    """Make a condition that also comes true after so many answers for all of a crowd."""
    return lambda: condition() or crowd.answers >= answers


@turns
def test_all_who_come_at_once_are_answered_before_any_is_answered_much(gather: Gather) -> None:
    """All clients of a crowd get a first answer before any of them gets many."""
    subject, crowd = gather()
    with held(subject.worker):
        clients = crowd.join(100)
    enough = UNFAIR * len(clients)
    crowd.ask_until(either(another_for(clients), crowd, enough), "enough answers")
    order = order_of(subject, crowd)
    assert turns_until_all(order, clients) <= ROUNDS * len(clients)
    subject.stop()


@turns
def test_newcomers_have_their_turn_among_those_who_never_stop(
    gather: Gather, candidate: Candidate
) -> None:
    """New clients get an answer within a few rounds of those that never stop asking."""
    subject, crowd = gather()
    worker, greedy = subject.worker, crowd.join(60)
    crowd.ask_until(lambda: min(one.answers for one in greedy) >= 2, "two answers for each")
    with held(worker):
        before = crowd.catch_up()
        newcomers = crowd.join(30)
    enough = before + UNFAIR * len(crowd.members)
    crowd.ask_until(either(another_for(newcomers), crowd, enough), "enough answers")
    order = order_of(subject, crowd)
    rounds = ROUNDS_OF_A_LOOP if "asgi" in candidate.capabilities else ROUNDS
    assert turns_until_all(order[before:], newcomers) <= rounds * len(crowd.members)
    subject.stop()


@turns
def test_every_client_has_its_share(gather: Gather) -> None:
    """Clients that ask equally often get about equally many answers."""
    subject, crowd = gather()
    clients = crowd.join(40)
    enough = 20 * len(clients)
    crowd.ask_until(lambda: crowd.answers >= enough, "enough answers")
    counts = shares(order_of(subject, crowd)[:enough], clients)
    # One less: a count may end just before a client's turn.
    assert counts[0] >= counts[len(counts) // 2] // 2 - 1
    subject.stop()


@turns
@keepalive
def test_those_who_ask_once_have_their_turn_among_those_who_pipeline(gather: Gather) -> None:
    """A client that pipelines has one turn in each round, as all others do.

    A client that goes on sending must not get more turns with each packet.
    """
    subject, crowd = gather()
    greedy = crowd.join(4, ahead=100)
    worker = subject.worker
    crowd.ask_until(lambda: min(one.answers for one in greedy) >= 150, "150 answers for each")
    with held(worker):
        starts = [crowd.catch_up()]
        polite = crowd.join(16)
    for _ in range(4):
        crowd.ask_until(another_for(polite), "another answer for each")
        with held(worker):
            starts.append(crowd.catch_up())
    order = order_of(subject, crowd)
    waits = [turns_until_all(order[start:], polite) for start in starts[:-1]]
    assert max(waits) <= ROUNDS * len(crowd.members), waits
    subject.stop()


def offer(uploads: dict[socket.socket, memoryview]) -> None:
    """Send as much of each upload as the system takes now."""
    for sock, rest in uploads.items():
        try:
            while rest:
                rest = rest[sock.send(rest[:65536], MSG_DONTWAIT) :]
        except BlockingIOError:
            pass  # the server has to read first
        uploads[sock] = rest


@keepalive
@pytest.mark.corn_needs("turns", "uploads")
def test_those_who_ask_have_their_turn_among_those_who_upload(gather: Gather) -> None:
    """A short request does not wait until a part of every upload has been read.

    There is one between any 16 parts of 64 KiB, and not one for all clients that upload.
    """
    subject, crowd = gather()
    crowd.join(1, ahead=200)
    body = memoryview(b"x" * UPLOAD)
    head = f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: {UPLOAD}\r\n\r\n".encode()
    uploads = {}
    for _ in range(UPLOADS):
        sock = subject.address.connect()
        sock.sendall(head)
        uploads[sock] = body

    def have_sent() -> bool:
        offer(uploads)
        return not any(uploads.values())

    with held(subject.worker):
        crowd.catch_up()
        begin = crowd.answers
        offer(uploads)
    crowd.ask_until(have_sent, "the server to read all uploads")
    for sock in uploads:
        assert sock.recv(65536).startswith(b"HTTP/1.1 200 ")
        sock.close()
    order = order_of(subject, crowd)[begin:]
    half = [turn for turn, path in enumerate(order) if path == "/upload"][UPLOADS // 2]
    polite = half - UPLOADS // 2
    assert polite >= UPLOADS // 2 * UPLOAD // (16 * 65536), polite
    subject.stop()


def resident(pid: int) -> int:
    """Return the bytes of memory that a process has (proc(5))."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


@keepalive
def test_client_that_pipelines_without_end_does_not_fill_the_memory(start: Start) -> None:
    """A client is read from no faster than it is answered.

    What it sends beyond that stays with its system. It sends sixteen requests for each answer, as
    long as its system takes them.
    """
    subject = start("--keep-alive=60", app="busy:app")
    worker = subject.worker
    # Large, so that few make many octets; and of fields, since a body is a reason to read on. Yet
    # several fit into what a server may read at once.
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"x" * 8000) for number in range(2))
    request = b"GET / HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n"
    flood = memoryview(request * 32)
    with subject.address.connect() as client:
        client.sendall(request)
        before, sent, refused = resident(worker), 0, 0
        while sent < 24 * MEBIBYTE and refused < 50:
            assert client.recv(65536), "the connection was closed"
            start_at = sent % len(request)
            try:
                sent += client.send(flood[start_at : start_at + 16 * len(request)], MSG_DONTWAIT)
                refused = 0
            except BlockingIOError:
                refused += 1
        assert resident(worker) - before < 8 * MEBIBYTE
    subject.stop()


@pytest.mark.corn_needs("keepalive", "balance")
def test_workers_share_the_clients_who_come_at_once(gather: Gather) -> None:
    """Workers share the connections that arrive at the same time."""
    for _ in range(TRIES):
        shared = clients_of_each_worker(*gather(workers=4))
        if shared[-1] <= 1.5 * shared[0]:
            return
    pytest.fail(f"so many clients were served by each worker, with the last crowd: {shared}")


def clients_of_each_worker(subject: Subject, crowd: Crowd) -> list[int]:
    """Let clients come at once, and count those that each worker serves, the fewest first."""
    workers = subject.workers()
    with held(*workers):
        clients = crowd.join(64)
    crowd.ask_until(lambda: all(one.answers for one in clients), "an answer for each")
    crowd.leave()
    subject.stop()
    counts = Counter(one.worker for one in clients)
    return sorted(counts[worker] for worker in workers)
