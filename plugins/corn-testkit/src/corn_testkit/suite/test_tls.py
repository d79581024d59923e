"""TLS on all listeners, with the worker's own way of waiting for clients."""

from __future__ import annotations

import json
import ssl

import pytest

from corn_testkit.candidate import Start, Subject
from corn_testkit.client import Reply, parse, read_all, read_reply
from corn_testkit.tls import Certificate, secured


@pytest.fixture
def flags(certificate: Certificate) -> tuple[str, str]:
    return f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}"


def ask(subject: Subject, context: ssl.SSLContext, path: str, body: bytes = b"") -> Reply:
    """One request, read to the orderly end of the connection."""
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    with secured(subject.address.connect(), context) as client:
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return parse(read_all(client))


def test_requests_over_tls(start: Start, flags: tuple[str, str], context: ssl.SSLContext) -> None:
    subject = start(*flags)
    wsgi = json.loads(ask(subject, context, "/facts").text)["wsgi"]
    assert (wsgi["wsgi.url_scheme"], wsgi["HTTPS"]) == ("https", "on")
    assert len(ask(subject, context, "/large?q=4096").body) == 4096 * 1024
    body = b"z" * 3_000_000
    assert ask(subject, context, "/echo", body).body == body
    subject.stop()


@pytest.mark.corn_needs("keepalive")
def test_kept_connection_over_tls(
    start: Start, flags: tuple[str, str], context: ssl.SSLContext
) -> None:
    subject = start(*flags, "--keep-alive=30")
    with secured(subject.address.connect(), context) as client:
        for number in range(3):
            client.sendall(f"GET /mirror/{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert read_reply(client).text == f"GET /mirror/{number}"
    subject.stop()


def test_clients_that_do_not_shake_hands(
    start: Start, flags: tuple[str, str], context: ssl.SSLContext
) -> None:
    """Neither who is silent nor who speaks plain HTTP keeps others from being served."""
    subject = start(*flags, "--header-timeout=30")
    silent = [subject.address.connect() for _ in range(20)]
    with subject.address.connect() as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert ask(subject, context, "/").text == "hello"
    for client in silent:
        client.close()
    assert ask(subject, context, "/").text == "hello"
    subject.stop()


def test_file_over_tls(start: Start, flags: tuple[str, str], context: ssl.SSLContext) -> None:
    subject = start(*flags)
    reply = ask(subject, context, f"/file?q={__file__}&from=1")
    with open(__file__, "rb") as file:
        assert reply.body == file.read()[1:]
    subject.stop()
