"""The way of a request through corn is short: its functions are counted, in a real worker."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from corn_testkit.client import Address, get, read_reply
from corn_testkit.fixtures import Serve

APPS = Path(__file__).with_name("apps")

REQUESTS = 12


def counted(address: Address, connections: int) -> list[int]:
    """Return the calls that each request took, but for the first ones."""
    answers = []
    clients = [address.connect() for _ in range(connections)]
    for number in range(REQUESTS):
        client = clients[number % connections]
        client.sendall(get("/" if number else "/begin"))
        answers.append(read_reply(client).text)
    for client in clients:
        client.close()
    counts: list[int] = json.loads(answers[-1])
    return counts[2:]


@pytest.mark.parametrize(
    ("arguments", "connections", "most"),
    [
        # Each request comes on a connection of its own, which costs calls too.
        (["-k", "sync"], REQUESTS, 43),
        (["-k", "gthread", "--threads=2"], 1, 40),
        (["-k", "gevent"], 1, 40),
    ],
    ids=["sync", "gthread", "gevent"],
)
def test_calls_for_a_request(
    serve: Serve, arguments: Sequence[str], connections: int, most: int
) -> None:
    server = serve("counting:app", *arguments, cwd=APPS)
    counts = counted(server.address, connections)
    # A heartbeat may come between two requests.
    assert sorted(counts)[len(counts) // 2] <= most, counts
