"""Many clients in one thread, each of which asks again as soon as it has its answer.

They ask ``apps/busy.py``, whose answers end with a byte that no head of a response has.
"""

from __future__ import annotations

import os
import selectors
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from signal import SIGCONT, SIGSTOP
from time import monotonic

from corn_testkit.client import Address
from corn_testkit.waiting import DEADLINE, stands_still, wait_for

END = b">"
"""The last byte of an answer."""


@contextmanager
def held(*workers: int) -> Iterator[None]:
    """Hold workers still, so that whatever clients do meanwhile is there at once afterwards."""
    for worker in workers:
        os.kill(worker, SIGSTOP)
    try:
        wait_for(lambda: all(map(stands_still, workers)), "the workers to stand still")
        yield
    finally:
        for worker in workers:
            os.kill(worker, SIGCONT)


class Member:
    """A client, under a path of its own.

    :param ahead: how many requests it has sent that are not answered.
    :ivar answers: how many answers it has had.
    :ivar worker: the process that gave the last one.
    """

    def __init__(self, address: Address, path: str, ahead: int, keeps: bool) -> None:
        self.path = path
        self.answers = 0
        self.worker = 0
        self._address = address
        self._ahead = ahead
        self._keeps = keeps
        self._request = f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        self._rest = b""
        self.connect()

    def connect(self) -> None:
        """Connect, and ask; the system sees to both while the server does nothing."""
        self.sock = self._address.connect()
        self.sock.sendall(self._request * self._ahead)

    def read(self) -> bool:
        """Take what has come, and ask for as much again; False at the end of the connection."""
        data = self.sock.recv(65536)
        assert data or not self._keeps, f"the connection of {self.path} was closed"
        count = data.count(END)
        if count:
            self.answers += count
            self.worker = int((self._rest + data).split(END)[-2].rpartition(b"<")[2])
            if self._keeps:
                self.sock.sendall(self._request * count)
        self._rest = (self._rest + data)[-32:]
        return bool(data)


class Crowd:
    """The clients of one server.

    :param keeps: whether connections outlive an answer; else each client connects again.
    """

    def __init__(self, address: Address, keeps: bool) -> None:
        self.members: list[Member] = []
        self._address = address
        self._keeps = keeps
        self._selector = selectors.DefaultSelector()

    @property
    def answers(self) -> int:
        """Count the answers that all of them have had."""
        return sum(member.answers for member in self.members)

    def join(self, count: int, ahead: int = 1) -> list[Member]:
        """Add clients, who have connected and asked when this returns."""
        joined = []
        for _ in range(count):
            path = f"/{len(self.members)}"
            member = Member(self._address, path, ahead, self._keeps)
            self._selector.register(member.sock, selectors.EVENT_READ, member)
            self.members.append(member)
            joined.append(member)
        return joined

    def ask_until(self, condition: Callable[[], bool], what: str) -> None:
        """Have all of them ask until something has come true.

        :param what: the end of the sentence "waited in vain for ...".
        """
        end = monotonic() + DEADLINE
        while not condition():
            assert monotonic() < end, f"waited in vain for {what}"
            self._read(0.1)

    def catch_up(self) -> int:
        """Read all answers that have come, while the worker is held; returns :attr:`answers`."""
        while self._read(0.0):
            pass
        return self.answers

    def _read(self, patience: float) -> bool:
        """Let those read who can, after so many seconds at most; returns whether any could."""
        events = self._selector.select(patience)
        for key, _ in events:
            member: Member = key.data
            if not member.read():
                self._selector.unregister(member.sock)
                member.sock.close()
                member.connect()
                self._selector.register(member.sock, selectors.EVENT_READ, member)
        return bool(events)

    def leave(self) -> None:
        """Close all connections."""
        for member in self.members:
            member.sock.close()
        self._selector.close()


def turns_until_all(order: Sequence[str], members: Sequence[Member]) -> int:
    """Count the requests that were served until each of these clients had one among them.

    If some had none, it is more than all.
    """
    waiting = {member.path for member in members}
    for turn, path in enumerate(order, 1):
        waiting.discard(path)
        if not waiting:
            return turn
    return len(order) + 1


def shares(order: Sequence[str], members: Sequence[Member]) -> list[int]:
    """Count the requests of each client, in ascending order."""
    counts = Counter(order)
    return sorted(counts[member.path] for member in members)
