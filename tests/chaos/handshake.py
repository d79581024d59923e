"""Clients that dribble or vanish in the TLS handshake, beside one that does not."""

from __future__ import annotations

import random
import ssl
from contextlib import ExitStack
from pathlib import Path

from corn_testkit.client import Address
from corn_testkit.tls import Authority, secured
from corn_testkit.waiting import wait_for
from tests.chaos.measure import client_ports
from tests.chaos.site import PATIENCE, site
from tests.soak.load import TIMEOUT

REQUEST = b"GET /mirror?tls HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def client_hello() -> bytes:
    """Return what a client sends first."""
    outgoing = ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="x")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError("a handshake takes two")


def leave_late(address: Address, context: ssl.SSLContext, octets: int) -> int:
    """Leave after so many octets of the client's last flight; returns how many it has."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with address.connect(TIMEOUT) as client:
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.sendall(outgoing.read())
                incoming.write(client.recv(65536))
        flight = outgoing.read()
        client.sendall(flight[:octets])
    return len(flight)


def handshakes(worker: str, home: Path, seed: int, step: int, count: int) -> None:
    """Let clients vanish after so many octets of their flights each, and others dribble the first.

    :param step: octets by which each client that vanishes goes further than the one before.
    :param count: clients that stay in the middle of it.
    :raises AssertionError: when another client is not answered, or something is left open.
    """
    authority = Authority(home)
    certificate = authority.issue()
    flags = (f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}")
    hello = client_hello()
    with site(worker, random.Random(seed), *flags, clients=0) as place, ExitStack() as stack:
        for end in range(0, len(hello), step):
            with place.address.connect(TIMEOUT) as client:
                client.sendall(hello[:end])
        last = leave_late(place.address, authority.context(), 0)
        for end in range(step, last, step):
            leave_late(place.address, authority.context(), end)
        slow = [stack.enter_context(place.address.connect(TIMEOUT)) for _ in range(count)]
        for number, client in enumerate(slow):
            client.sendall(hello[: number % len(hello)])
        for number, client in enumerate(slow):
            client.sendall(hello[number % len(hello) :][:1])
        with secured(place.address.connect(TIMEOUT), authority.context()) as client:
            client.sendall(REQUEST)
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n"), answer
        stack.close()
        pids = place.workers()
        wait_for(lambda: not any(map(client_ports, pids)), "all connections to end", PATIENCE)
        assert "ERROR" not in place.server.log
