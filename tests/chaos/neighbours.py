"""Measures how long a normal client waits beside a thousand others, and without them.

    python -m tests.chaos.neighbours {slow|upload} URL

is the crowd, in a process of its own, so that it takes no time from the client that is measured. It
says when it is complete, and goes when its standard input is closed.
"""

from __future__ import annotations

import random
import select
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from threading import Event
from time import perf_counter
from typing import NamedTuple

from corn_testkit.client import Address
from corn_testkit.waiting import wait_for
from tests.chaos.clients import PHASES, Client, dribble, trickle
from tests.chaos.measure import client_ports
from tests.chaos.site import BLAMED, PATIENCE, Site, site
from tests.soak.load import TIMEOUT
from tests.soak.measure import holdings

CROWD = 1000
WORST = 2.0
"""How many times as long a normal client may wait beside slow ones, at its 99th percentile."""


class Effort(NamedTuple):
    """Says how often is measured, and how many requests are sent each time."""

    rounds: int
    requests: int


ATTEMPTS = 3
"""How often is measured at most: what else the machine does can only make it look worse."""

EFFORTS = {"slow": Effort(5, 300), "upload": Effort(1, 30)}

PAUSE = 5.0
"""Seconds in which each of the slow ones gets on by an octet."""

KIBIBYTE = 1024
BODY = KIBIBYTE * KIBIBYTE
PIECE = 16 * KIBIBYTE
UPLOAD = b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % BODY


class Waits(NamedTuple):
    """The 99th percentile of a normal client's waits, in milliseconds: a median over rounds."""

    alone: float
    beside: float

    @property
    def ratio(self) -> float:
        return self.beside / self.alone

    def __str__(self) -> str:
        return f"p99 {self.alone:.2f} ms, {self.beside:.2f} ms beside them, {self.ratio:.2f} times"


def best_waits(worker: str, seed: int) -> Waits:
    """Measure beside slow clients, and again if a normal one had to wait too long."""
    for _ in range(ATTEMPTS):
        found = waits(worker, "slow", seed)
        if found.ratio <= WORST:
            break
    return found


def waits(worker: str, kind: str, seed: int) -> Waits:
    """Measure by turns, so that what else the machine does meets both.

    :raises AssertionError: when the crowd has cost a worker its life, or what it took for them is
        not given back.
    """
    alone, beside = [], []
    rounds, requests = EFFORTS[kind]
    with site(worker, random.Random(seed), "--timeout=30", clients=0, small=False) as place:
        _p99(place, requests)  # which warms it up
        since, workers, before = len(place.server.log), place.workers(), _memory(place)
        for _ in range(rounds):
            alone.append(_p99(place, requests))
            with crowd(kind, place.address):
                beside.append(_p99(place, requests))
            _wait_for_quiet(place)
        assert place.workers() == workers
        assert not BLAMED.search(place.server.log, since)
        most = before + CROWD * BODY // KIBIBYTE // 2
        # What has arrived of broken uploads may still be on its way to the application.
        wait_for(lambda: _memory(place) < most, "what they took to be given back", PATIENCE)
    return Waits(median(alone), median(beside))


def _memory(place: Site) -> int:
    """Return the private memory of the workers, in KiB."""
    return sum(holdings(pid, place.server.home).private_kib for pid in place.server.workers())


def _wait_for_quiet(place: Site) -> None:
    pids = place.workers()
    wait_for(lambda: not any(map(client_ports, pids)), "the crowd to be gone", PATIENCE)


def _p99(place: Site, requests: int) -> float:
    """Ask again and again, every other time on a connection of its own."""
    clients = [Client(place.address, name, name == "kept", Event()) for name in ("kept", "new")]
    times = []
    for number in range(requests):
        client = clients[number % 2]
        begun = perf_counter()
        client.ask(f"/mirror?{number}", f"GET /mirror {number}")
        times.append((perf_counter() - begun) * 1000)
    for client in clients:
        client.close()
    return sorted(times)[len(times) * 99 // 100]


# -- the crowd ----------------------------------------------------------------------


@contextmanager
def crowd(kind: str, address: Address) -> Iterator[None]:
    """Run a crowd in a process of its own until the end of the block."""
    command = [sys.executable, "-m", __name__, kind, address.url]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"complete\n"
        yield
        process.stdin.close()
    assert process.returncode == 0, process.returncode


def _over(seconds: float) -> bool:
    """Wait for the end of the standard input, for so long; returns True at the end."""
    return bool(select.select([sys.stdin], [], [], seconds)[0])


def slow(address: Address) -> None:
    """Be clients in all phases, each of which gets on by an octet every now and then."""
    with ExitStack() as stack:
        members = [
            (phase, client)
            for phase in PHASES
            for client in dribble(address, stack, phase, CROWD // len(PHASES))
        ]
        random.Random(0).shuffle(members)
        print("complete", flush=True)
        while True:
            for phase, client in members:
                if _over(PAUSE / CROWD):
                    return
                trickle([client], phase)


def upload(address: Address) -> None:
    """Be clients who send large bodies, one after another, as fast as they are taken."""
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        piece = bytes(PIECE)
        for _ in range(CROWD):
            _begin(address, stack, selector)
        print("complete", flush=True)
        while not _over(0):
            for key, _ in selector.select(0.1):
                client, left = key.fileobj, key.data
                assert isinstance(client, socket.socket)
                if left:
                    left -= client.send(piece[:left])
                    events = selectors.EVENT_WRITE if left else selectors.EVENT_READ
                    selector.modify(client, events, left)
                    continue
                assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
                selector.unregister(client)
                client.close()
                _begin(address, stack, selector)


def _begin(address: Address, stack: ExitStack, selector: selectors.BaseSelector) -> None:
    client = stack.enter_context(address.connect(TIMEOUT))
    client.sendall(UPLOAD)
    selector.register(client, selectors.EVENT_WRITE, BODY)


if __name__ == "__main__":
    {"slow": slow, "upload": upload}[sys.argv[1]](Address(sys.argv[2]))
