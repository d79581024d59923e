"""The scope of an HTTP request says what the ASGI specification promises, and nothing else."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from corn_testkit.asgi.clients import scope_in
from corn_testkit.candidate import Start, Subject
from corn_testkit.client import get, parse, parse_all, read_all
from corn_testkit.tls import Authority, Certificate, secured

pytestmark = pytest.mark.corn_needs("asgi")

CLOSE = "Connection: close"
END = "-----END CERTIFICATE-----\n"


def scope_of(subject: Subject, target: str = "/scope", *fields: str) -> dict[str, Any]:
    return scope_in(subject.raw(get(target, *fields, CLOSE)))


def test_scope_of_a_request(exchange: Subject) -> None:
    """The scope has the keys that the specification names, with values of the right types."""
    with exchange.address.connect() as client:
        client.sendall(get("/scope?a=%20&b", CLOSE))
        scope = scope_in(read_all(client))
        # An address in a scope has two parts, whichever family it is of.
        assert scope["client"] == client.getsockname()[:2]
    assert scope["type"] == "http"
    assert scope["asgi"]["version"] == "3.0"
    assert scope["asgi"]["spec_version"] >= "2.3"
    assert (scope["http_version"], scope["method"], scope["scheme"]) == ("1.1", "GET", "http")
    assert (scope["path"], scope["raw_path"]) == ("/scope", b"/scope")
    assert scope["query_string"] == b"a=%20&b"
    assert scope["root_path"] == ""
    assert scope["server"] == ("127.0.0.1", exchange.address.port)
    assert "tls" not in scope["extensions"]


def test_scope_without_lifespan_has_no_state(exchange: Subject) -> None:
    """For an application that does not know lifespan, the scope has no state."""
    assert "state" not in scope_of(exchange)


def test_path_is_decoded_and_raw_path_is_not(exchange: Subject) -> None:
    """The path is decoded from escapes and UTF-8, and raw_path is what the client has sent."""
    scope = scope_of(exchange, "/%C3%A9%2F%20x?%C3%A9")
    assert scope["path"] == "/\xe9/ x"
    assert scope["raw_path"] == b"/%C3%A9%2F%20x"
    assert scope["query_string"] == b"%C3%A9"
    scope = scope_of(exchange, "/%ff")
    assert scope["path"] == "/\ufffd"
    assert scope["raw_path"] == b"/%ff"


def test_fields_are_in_order_and_apart(exchange: Subject) -> None:
    """Fields are lower-case pairs of bytes in the order of the client, repeated ones apart."""
    fields = ("X-B:  1 ", "Cookie: a=1", "x-b: 2", "Cookie: b=2")
    scope = scope_of(exchange, "/scope", *fields)
    expected = [(b"x-b", b"1"), (b"cookie", b"a=1"), (b"x-b", b"2"), (b"cookie", b"b=2")]
    assert [pair for pair in scope["headers"] if pair in expected] == expected
    assert (b"host", b"x") in scope["headers"]
    sent = b"GET /scope HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-A: \xff\xe9\r\n\r\n"
    assert (b"x-a", b"\xff\xe9") in scope_in(exchange.raw(sent))["headers"]


def test_fields_that_could_pose_as_others_are_left_out(exchange: Subject) -> None:
    """A field whose name has an underscore is left out, because it could pose as another."""
    names = [name for name, _ in scope_of(exchange, "/scope", "X_Under: no")["headers"]]
    assert b"x_under" not in names


def test_absolute_target_is_split(exchange: Subject) -> None:
    """Of a target in absolute-form, the authority becomes the Host field, and the rest the path."""
    scope = scope_of(exchange, "http://other.example/scope?x")
    assert (scope["path"], scope["raw_path"]) == ("/scope", b"/scope")
    assert scope["query_string"] == b"x"
    assert [value for name, value in scope["headers"] if name == b"host"] == [b"other.example"]


def test_scope_of_http_1_0(exchange: Subject) -> None:
    """The scope of an HTTP/1.0 request says so."""
    scope = scope_in(exchange.raw(get("/scope", version="1.0")))
    assert scope["http_version"] == "1.0"


@pytest.mark.corn_needs("keepalive")
def test_scope_is_of_its_request_alone(exchange: Subject) -> None:
    """A scope that the application changes is of its own request alone."""
    replies = parse_all(exchange.raw(get("/scope") * 2 + get("/scope", CLOSE)))
    for reply in replies:
        assert "another request" not in reply.text


def test_state_is_a_shallow_copy(start: Start) -> None:
    """The state that startup has made is in each scope, as a shallow copy."""
    subject = start("--keep-alive=30", app="life:app")
    worker = subject.worker
    with subject.address.connect() as client:
        client.sendall(get("/") * 2 + get("/", CLOSE))
        replies = parse_all(read_all(client))
    # Each request has put something of its own into it.
    expected = f"{worker} [('shared', {worker})]"
    assert [reply.text for reply in replies] == [expected] * len(replies)
    assert subject.get() == expected
    subject.stop()


def test_script_name_is_the_root_path(start: Start) -> None:
    """SCRIPT_NAME is the root_path, the path includes it, and others are refused."""
    subject = start(app="exchange:app", env={"SCRIPT_NAME": "/scope"})
    scope = scope_of(subject, "/scope")
    assert (scope["root_path"], scope["path"]) == ("/scope", "/scope")
    assert parse(subject.raw(get("/other"))).status == 500
    subject.wait_for_log("is not under SCRIPT_NAME")
    subject.stop()


def test_front_end_is_believed_when_it_is_trusted(start: Start) -> None:
    """A trusted front-end says the scheme and the client; one that is not trusted does not."""
    fields = ("X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.9")
    subject = start(app="exchange:app")
    scope = scope_of(subject, "/scope", *fields)
    assert (scope["scheme"], scope["client"][0]) == ("https", "192.0.2.9")
    contradiction = ("X-Forwarded-Proto: http", "X-Forwarded-Ssl: on")
    assert parse(subject.raw(get("/scope", *contradiction))).status == 400
    subject.stop()
    subject = start("--forwarded-allow-ips=10.0.0.1", app="exchange:app")
    scope = scope_of(subject, "/scope", *fields)
    assert (scope["scheme"], scope["client"][0]) == ("http", "127.0.0.1")
    subject.stop()


def test_proxy_protocol_names_both_ends(start: Start) -> None:
    """The PROXY protocol says who the client and what the server is; a bad header is refused."""
    header = b"PROXY TCP4 192.0.2.7 192.0.2.8 7 443\r\n"
    subject = start("--proxy-protocol", "--header-timeout=1", app="exchange:app")
    with subject.address.connect() as client:
        for octet in header:
            client.sendall(bytes([octet]))
        client.sendall(get("/scope", CLOSE))
        scope = scope_in(read_all(client))
    assert (scope["client"], scope["server"]) == (("192.0.2.7", 7), ("192.0.2.8", 443))
    assert parse(subject.raw(get("/hello", CLOSE))).text == "hello"
    assert parse(subject.raw(b"PROXY NONSENSE\r\n" + get("/hello"))).status == 400
    assert parse(subject.raw(b"PROXY TCP4")).status == 400
    subject.stop()
    subject = start("--proxy-protocol", "--proxy-allow-from=10.0.0.1", app="exchange:app")
    assert parse(subject.raw(header + get("/hello"))).status == 403
    subject.stop()


def test_scope_over_tls_and_unix_sockets(
    start: Start, certificate: Certificate, context: ssl.SSLContext, tmp_path: Path
) -> None:
    """On a unix socket the client is None and the server its path; with TLS the scheme is https."""
    binds = ("127.0.0.1:0", f"unix:{tmp_path}/socket")
    flags = (f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}")
    subject = start(*flags, "--proxy-protocol", app="exchange:app", bind=binds)
    for address in subject.addresses:
        with secured(address.connect(), context) as client:
            client.sendall(get("/scope", CLOSE))
            scope = scope_in(read_all(client))
        assert scope["scheme"] == "https"
        if "tls" in scope["extensions"]:
            tls = scope["extensions"]["tls"]
            assert tls["tls_version"] in (0x0303, 0x0304)
            assert isinstance(tls["cipher_suite"], int)
            assert (tls["client_cert_name"], list(tls["client_cert_chain"])) == (None, [])
        if address.url.startswith("unix:"):
            assert scope["client"] is None
            assert tuple(scope["server"]) == (f"{tmp_path}/socket", None)
    # The header of a proxy comes before the handshake.
    plain = subject.address.connect()
    plain.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.8 7 443\r\n")
    with secured(plain, context) as encrypted:
        encrypted.sendall(get("/scope", CLOSE))
        scope = scope_in(read_all(encrypted))
    assert (scope["client"], scope["scheme"]) == (("192.0.2.7", 7), "https")
    subject.stop()


def test_certificate_of_the_client_is_in_the_scope(
    start: Start, authority: Authority, certificate: Certificate
) -> None:
    """If the scope announces tls, it has the certificate that the client has shown."""
    flags = (f"--certfile={certificate.both}", f"--ca-certs={authority.file}", "--cert-reqs=2")
    subject = start(*flags, app="exchange:app")
    shown = authority.issue("client.example", common_name="a client")
    with secured(subject.address.connect(), authority.context(shown)) as client:
        client.sendall(get("/scope", CLOSE))
        scope = scope_in(read_all(client))
    if "tls" not in scope["extensions"]:
        pytest.skip("the scope does not announce tls")
    tls = scope["extensions"]["tls"]
    assert "CN=a client" in tls["client_cert_name"]
    (pem,) = tls["client_cert_chain"]
    der = ssl.PEM_cert_to_DER_cert(Path(shown.certfile).read_text().split("-----END")[0] + END)
    assert ssl.PEM_cert_to_DER_cert(pem) == der
    subject.stop()
