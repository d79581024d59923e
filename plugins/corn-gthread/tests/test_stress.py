"""Whatever calls do to the loop, each response belongs to its request, and there is one of each."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import pytest

from corn_testkit.client import Address
from corn_testkit.fixtures import Serve

APPS = Path(__file__).with_name("apps")
CLIENTS, CONNECTIONS, THREADS = 24, 12, 6


class Ask(NamedTuple):
    """A request and what must come of it; no body where the application fails."""

    path: str
    data: bytes
    body: bytes | None


class Client:
    """A client that does as a random generator says, on one connection after another.

    :ivar answered: how often it expects each path to have been called: once.
    :ivar left: the paths that may have been called or not, because it did not wait.
    """

    def __init__(self, address: Address, number: int) -> None:
        self.address = address
        self.number = number
        self.random = random.Random(number)
        self.asked = 0
        self.answered: set[str] = set()
        self.left: set[str] = set()

    def run(self) -> None:
        for _ in range(CONNECTIONS):
            with self.address.connect() as client, client.makefile("rb") as stream:
                while self.random.random() < 0.85:
                    batch = [self.ask() for _ in range(self.random.choice((1, 1, 1, 2, 5)))]
                    client.sendall(b"".join(each.data for each in batch))
                    if self.random.random() < 0.06:
                        self.left.update(each.path for each in batch)
                        break
                    if not self.check(batch, stream):
                        break

    def ask(self) -> Ask:
        self.asked += 1
        path = f"/{self.number}/{self.asked}"
        sleep = self.random.choice((0, 0, 0, 0, 0, 0.0005, 0.002, 0.003, 0.02))
        times = self.random.choice((1, 1, 1, 1, 30000))
        fails = self.random.random() < 0.03
        posted = b"p" * self.random.choice((0, 0, 10, 100000))
        query = f"?times={times}" + f"&sleep={sleep}" * bool(sleep) + "&fail=1" * fails
        head = f"POST {path}{query} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(posted)}\r\n\r\n"
        return Ask(path, head.encode() + posted, None if fails else path.encode() * times + posted)

    def check(self, batch: list[Ask], stream: BufferedReader) -> bool:
        """Read the responses; whether the connection goes on."""
        for each in batch:
            status, body = read_response(stream)
            self.answered.add(each.path)
            if each.body is None:
                assert status == 500, (each.path, status)
                # A failure ends the connection: nothing that was sent behind it may be called.
                assert stream.read() == b""
                return False
            assert (status, body) == (200, each.body), each.path
        return True


def read_response(stream: BufferedReader) -> tuple[int, bytes]:
    status = int(stream.readline().split()[1])
    length = 0
    while (line := stream.readline()) != b"\r\n":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return status, stream.read(length)


@pytest.mark.parametrize("threads", [1, THREADS])
def test_every_response_belongs_to_its_request(serve: Serve, threads: int) -> None:
    server = serve("-kgthread", f"--threads={threads}", "crowd:app", cwd=APPS)
    server.tracebacks_expected = True
    clients = [Client(server.address, number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        for outcome in [pool.submit(client.run) for client in clients]:
            outcome.result()
    report = json.loads(server.get("/report"))
    assert report["overlaps"] == []
    assert 1 < report["most"] <= threads or report["most"] == threads == 1
    answered = set().union(*(client.answered for client in clients))
    left = set().union(*(client.left for client in clients))
    assert len(answered) > CLIENTS * CONNECTIONS
    assert {path for path, count in report["calls"].items() if count != 1} == set()
    assert answered <= set(report["calls"]) <= answered | left
    server.stop()
    assert "Error on the connection" not in server.log
