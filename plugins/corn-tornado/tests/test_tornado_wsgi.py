"""WSGI applications under the tornado worker; what all workers do is the conformance kit's."""

from __future__ import annotations

import json
import ssl
from signal import SIGQUIT, SIGTERM

import pytest

from corn_testkit.client import parse, parse_all, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.tls import Certificate, secured

HELLO = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve("-k", "tornado", "--keep-alive=30", "--access-logfile=-", "probe:app")


def test_application_is_called_in_the_loop(server: Server) -> None:
    told = json.loads(server.get("/facts"))["wsgi"]
    assert told["wsgi.multithread"] is False
    assert told["SERVER_SOFTWARE"].startswith("corn/")


def test_connection_is_kept_and_pipelined(server: Server) -> None:
    replies = parse_all(server.raw(HELLO + HELLO + LAST))
    assert [reply.text for reply in replies] == ["hello"] * 3
    assert server.output.count('"GET / HTTP/1.1" 200 5 ') == 3


def test_tls(serve: Serve, certificate: Certificate, context: ssl.SSLContext) -> None:
    server = serve("-k", "tornado", f"--certfile={certificate.both}", "probe:app")
    with secured(server.address.connect(), context) as client:
        client.sendall(LAST)
        assert read_all(client).endswith(b"hello")


def test_request_in_flight_survives_term(server: Server, gate: Gate) -> None:
    with server.address.connect() as client, server.address.connect() as idle:
        idle.sendall(HELLO)
        assert idle.recv(1000).endswith(b"hello")
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGTERM)
        gate.open()
        assert parse(read_all(client)).text.startswith("waited in ")
        server.wait()


def test_quit_interrupts_the_application(server: Server, gate: Gate) -> None:
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGQUIT)
        server.wait()
