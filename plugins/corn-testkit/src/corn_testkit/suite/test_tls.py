"""TLS on all listeners, with the worker's own way of waiting for clients."""

from __future__ import annotations

import json
import socket
import ssl

import pytest

from corn_testkit.candidate import Candidate, Start, Subject
from corn_testkit.client import get, parse, parse_all, post, read_all, read_reply, receive_until
from corn_testkit.gate import Gate
from corn_testkit.tls import ByHand, Certificate, secured

CLOSE = "Connection: close"
KEPT = 50

half_open = pytest.mark.corn_lacks("asgi")
"""The TLS of an event loop ends with the client's close_notify, as that of TLS 1.2 had to."""


@pytest.fixture
def flags(certificate: Certificate) -> tuple[str, str]:
    return f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}"


def fetch(subject: Subject, context: ssl.SSLContext, request: bytes) -> bytes:
    """Send a request, and read to the orderly end of the connection."""
    with secured(subject.address.connect(), context) as client:
        client.sendall(request)
        return read_all(client)


@pytest.mark.corn_lacks("asgi")
def test_requests_over_tls(secure: Subject, context: ssl.SSLContext) -> None:
    """Requests over TLS are served, and their environ describes the encryption."""
    wsgi = json.loads(parse(fetch(secure, context, get("/facts", CLOSE))).text)["wsgi"]
    assert (wsgi["wsgi.url_scheme"], wsgi["HTTPS"]) == ("https", "on")
    assert (wsgi["SSL_PROTOCOL"], wsgi["SSL_CLIENT_VERIFY"]) == ("TLSv1.3", "NONE")
    assert wsgi["SSL_CIPHER"].startswith("TLS_")
    assert "SSL_CLIENT_CERT" not in wsgi


def test_large_bodies_over_tls(secure: Subject, context: ssl.SSLContext) -> None:
    """Large bodies pass through TLS in both directions."""
    large = parse(fetch(secure, context, get("/large?q=4096", CLOSE))).body
    assert large == b"".join(b"%1023d\n" % number for number in range(4096))
    body = b"".join(b"%1023d\n" % number for number in range(3000))
    assert parse(fetch(secure, context, post("/echo", body, CLOSE))).body == body


def test_end_of_the_connection_over_tls(secure: Subject, context: ssl.SSLContext) -> None:
    """A TLS connection ends with close_notify.

    The client has no other sign that nothing is missing.
    """
    reply = parse(fetch(secure, context, get("/large?q=64", version="1.0")))
    assert len(reply.body) == 64 * 1024


def test_failure_over_tls_does_not_end_in_order(
    start: Start, flags: tuple[str, str], context: ssl.SSLContext
) -> None:
    """A TLS connection whose response failed midway does not end with close_notify."""
    subject = start(*flags)
    subject.tracebacks_expected = True
    with secured(subject.address.connect(), context) as client:
        client.sendall(get("/fail-chunked", version="1.0"))
        with pytest.raises(OSError):
            while client.recv(65536):
                pass
    assert parse(fetch(subject, context, get("/", CLOSE))).text == "hello"


def test_continue_over_tls(secure: Subject, context: ssl.SSLContext) -> None:
    """A client that expects 100-continue gets it over TLS, too."""
    head = post("/echo", b"body", CLOSE, "Expect: 100-continue").removesuffix(b"body")
    with secured(secure.address.connect(), context) as client:
        client.sendall(head)
        assert receive_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert parse(read_all(client)).body == b"body"


@pytest.mark.corn_needs("keepalive")
def test_kept_connection_over_tls(secure: Subject, context: ssl.SSLContext) -> None:
    """A TLS connection stays open for more requests."""
    with secured(secure.address.connect(), context) as client:
        for number in range(3):
            client.sendall(get(f"/mirror/{number}"))
            assert read_reply(client).text == f"GET /mirror/{number}"


@pytest.mark.corn_needs("keepalive")
def test_pipelined_requests_over_tls(secure: Subject, context: ssl.SSLContext) -> None:
    """Pipelined requests over TLS are answered in their order.

    Many are in a record, and several records in a segment: most wait inside OpenSSL at first.
    """
    paths = [f"/mirror/{number}" for number in range(KEPT)]
    sent = b"".join(post(path, path.encode() * 100) for path in paths)
    replies = parse_all(fetch(secure, context, sent + get("/mirror/last", CLOSE)))
    expected = [f"POST {path}  {path * 100}" for path in paths]
    assert [reply.text for reply in replies] == [*expected, "GET /mirror/last"]


def test_bytes_of_records_one_at_a_time(secure: Subject, context: ssl.SSLContext) -> None:
    """TLS records may arrive in pieces of any size."""
    with secure.address.connect() as sock:
        client = ByHand(sock, context)
        # Handshake messages too.
        client.handshake(size=1)
        for byte in client.encrypted(post("/echo", b"body", CLOSE)):
            sock.sendall(bytes([byte]))
        assert parse(client.read_all()).body == b"body"


@half_open
def test_client_that_says_early_that_it_sends_no_more(
    secure: Subject, context: ssl.SSLContext, candidate: Candidate
) -> None:
    """A client that has sent close_notify still gets the answers to its requests."""
    with secure.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        two = client.encrypted(get("/mirror/a") + get("/mirror/b"))
        sock.sendall(two + client.close_notify())
        replies = parse_all(client.read_all())
    expected = ["GET /mirror/a", "GET /mirror/b"]
    answered = len(expected) if "keepalive" in candidate.capabilities else 1
    assert [reply.text for reply in replies] == expected[:answered]


@half_open
def test_close_notify_within_the_response_does_not_destroy_it(
    secure: Subject, context: ssl.SSLContext, gate: Gate
) -> None:
    """A close_notify from the client does not destroy the response that is being made."""
    with secure.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        sock.sendall(client.encrypted(gate.request))
        gate.entered()
        sock.sendall(client.close_notify())
        gate.open()
        assert parse(client.read_all()).text.startswith("waited in ")
        # Its end, and no reset because of bytes that were not read.
        assert sock.recv(1) == b""


def test_slow_reader_over_tls(secure: Subject, context: ssl.SSLContext) -> None:
    """A client that reads slowly over TLS does not delay others."""
    with socket.socket() as sock:
        sock.settimeout(30)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(("127.0.0.1", secure.address.port))
        with secured(sock, context) as slow:
            slow.sendall(get("/large?q=4096", CLOSE))
            assert parse(fetch(secure, context, get("/", CLOSE))).text == "hello"
            assert len(parse(read_all(slow)).body) == 4096 * 1024


def test_clients_that_do_not_shake_hands(
    start: Start, flags: tuple[str, str], context: ssl.SSLContext
) -> None:
    """Clients that do not complete the TLS handshake do not delay others.

    They are silent, stop within the handshake, or speak plain HTTP.
    """
    subject = start(*flags, "--header-timeout=30")
    stalled = [subject.address.connect() for _ in range(20)]
    for number, client in enumerate(stalled):
        hello = ByHand(client, context)
        with pytest.raises(ssl.SSLWantReadError):
            hello.tls.do_handshake()
        client.sendall(hello.pending()[: (0, 1, 100, 10_000)[number % 4]])
    with subject.address.connect() as plain:
        plain.sendall(get("/"))
        assert parse(fetch(subject, context, get("/", CLOSE))).text == "hello"
    for client in stalled:
        client.close()
    assert parse(fetch(subject, context, get("/", CLOSE))).text == "hello"
    subject.stop()


@pytest.mark.corn_lacks("asgi")
def test_file_over_tls(secure: Subject, context: ssl.SSLContext) -> None:
    """wsgi.file_wrapper works over TLS."""
    reply = parse(fetch(secure, context, get(f"/file?q={__file__}&from=1", CLOSE)))
    with open(__file__, "rb") as file:
        assert reply.body == file.read()[1:]
