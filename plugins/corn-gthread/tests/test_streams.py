"""Several requests at once on a connection, in another protocol than HTTP/1.1."""

from __future__ import annotations

import socket
from pathlib import Path

from corn_testkit.client import parse
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate

APPS = Path(__file__).with_name("apps")

UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def heard(client: socket.socket) -> tuple[bytes, str]:
    """Receive an answer: its number, and the text of the response."""
    with client.makefile("rb", buffering=0) as stream:
        number, length = stream.readline().split()
        received = b""
        while len(received) < int(length):
            received += stream.read(int(length) - len(received)) or b""
    return number, parse(received).text


def test_request_overtakes_another_of_its_connection(serve: Serve, gate: Gate) -> None:
    arguments = (f"--pythonpath={APPS}", "-klines.LinesWorker", "--threads=2", "probe:app")
    server = serve(*arguments)
    (slow,) = gate.request.split()[1:2]
    with server.address.connect() as client:
        client.sendall(UPGRADE + b"1 %b\n2 /\n3 /\n" % slow)
        gate.entered()
        # Two threads may have these at the same time, and end in either order.
        assert {heard(client)[0], heard(client)[0]} == {b"2", b"3"}
        gate.open()
        number, text = heard(client)
        assert (number, text.startswith("waited")) == (b"1", True)
        client.sendall(b"4 /\n")
        assert heard(client)[0] == b"4"
    server.stop()
