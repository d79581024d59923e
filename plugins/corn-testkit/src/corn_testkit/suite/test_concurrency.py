"""Several requests at once: as the worker declares, and each gets its own response."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import Address, parse, read_all, read_reply
from corn_testkit.gate import Gate

GET = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.corn_needs("concurrency")
def test_slow_request_holds_up_nobody(shared: Subject, gate: Gate) -> None:
    """A request that takes long does not delay the requests of other clients."""
    with shared.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        assert [shared.get() for _ in range(10)] == ["hello"] * 10
        gate.open()
        assert read_reply(client).text == f"waited in {shared.worker}"


@pytest.mark.corn_needs("concurrency")
def test_later_request_may_be_answered_first(shared: Subject, tmp_path: Path) -> None:
    """Of two requests at the same time, the later one may be answered first."""
    first, second = Gate(tmp_path, "first"), Gate(tmp_path, "second")
    with shared.address.connect() as one, shared.address.connect() as two:
        for client, gate in ((one, first), (two, second)):
            client.sendall(gate.request)
            gate.entered()
        for client, gate in ((two, second), (one, first)):
            gate.open()
            assert read_reply(client).text == f"waited in {shared.worker}"


@pytest.mark.corn_lacks("concurrency")
def test_later_request_waits_its_turn(shared: Subject, gate: Gate) -> None:
    """A worker without concurrency answers one request after the other, and loses none."""
    with shared.address.connect() as one, shared.address.connect() as two:
        one.sendall(gate.request)
        gate.entered()
        two.sendall(GET)
        gate.open()
        assert read_reply(one).text == f"waited in {shared.worker}"
        assert parse(read_all(two)).text == "hello"


def exchange(address: Address, name: str) -> list[str]:
    """Requests of one client, on as few connections as the worker allows; what went wrong."""
    wrong, client = [], address.connect()
    try:
        for number in range(40):
            path, body = f"/mirror/{name}/{number}", name * number
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            client.sendall(head.encode() + body.encode())
            reply = read_reply(client)
            if reply.text != f"POST {path}  {body}".rstrip():
                wrong.append(f"{path}: {reply}")
            if reply.header("Connection") == "close":
                client.close()
                client = address.connect()
    finally:
        client.close()
    return wrong


def test_every_response_belongs_to_its_request(start: Start) -> None:
    """Each request gets its own response, however many clients ask at the same time."""
    subject = start("--keep-alive=30")
    names = "abcdefgh"
    with ThreadPoolExecutor(len(names)) as clients:
        outcomes = list(clients.map(exchange, [subject.address] * len(names), names))
    assert outcomes == [[]] * len(names)
    subject.recording.wait("post_request", 40 * len(names))
    subject.stop()
