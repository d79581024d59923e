"""HTTPS: protocol versions, other clients, settings. What every worker must do is the kit's."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from corn_testkit.client import get, parse, post, read_all, receive_until
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.tls import Authority, ByHand, Certificate, secured
from corn_testkit.waiting import DEADLINE, open_descriptors, wait_for
from tests.e2e.secure_client import ask, fetch

MEBIBYTE = 1024 * 1024
KEEPING = ("-k", "keepalive.KeepAliveWorker", "--keep-alive=30", "keepalive:app")


@pytest.fixture(scope="module")
def probe(certificate: Certificate, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A sync worker, which closes each connection after its response."""
    flags = [f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}"]
    arguments = ["--bind=127.0.0.1:0", *flags, "probe:app"]
    running = Server(tmp_path_factory.mktemp("server"), arguments)
    try:
        yield running.started()
        running.stop()
    finally:
        running.kill()
    running.check_log()


@pytest.fixture
def server(serve: Serve, certificate: Certificate) -> Server:
    """A worker that keeps connections."""
    return serve(f"--certfile={certificate.both}", *KEEPING)


# -- requests and responses ----------------------------------------------------------------


def test_tls_1_2(probe: Server, authority: Authority) -> None:
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    reply = parse(fetch(probe, context, get("/facts")))
    assert json.loads(reply.body)["wsgi"]["SSL_PROTOCOL"] == "TLSv1.2"


def test_alpn(probe: Server, authority: Authority) -> None:
    context = authority.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    with secured(probe.address.connect(), context) as client:
        assert client.selected_alpn_protocol() == "http/1.1"


def test_unix_socket(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext, tmp_path: Path
) -> None:
    path = f"unix:{tmp_path}/s"
    server = serve(f"--certfile={certificate.both}", "probe:app", bind=(path,))
    assert parse(fetch(server, context, get("/"))).text == "hello"


def test_without_a_certificate_ssl_is_not_imported(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    assert json.loads(serve("secure:app").get())["ssl is imported"] is False
    server = serve(f"--certfile={certificate.both}", "secure:app")
    assert ask(server, context)["ssl is imported"] is True


# -- connections ---------------------------------------------------------------------------


def test_every_connection_is_let_go(server: Server, context: ssl.SSLContext) -> None:
    (worker,) = server.wait_for_workers(1)
    with secured(server.address.connect(), context) as client:
        client.sendall(get("/"))
        receive_until(client, b"/ ")
        before = open_descriptors(worker) - 1
    clients = [secured(server.address.connect(), context) for _ in range(20)]
    half = [server.address.connect() for _ in range(20)]
    for client in clients:
        client.sendall(get("/"))
        receive_until(client, b"/ ")
    wait_for(lambda: open_descriptors(worker) == before + 40, "the connections to be accepted")
    for each in (*clients, *half):
        each.close()
    wait_for(lambda: open_descriptors(worker) == before, "the descriptors to be closed")


def test_header_of_the_proxy_protocol_comes_before_the_handshake(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(f"--certfile={certificate.both}", "--proxy-protocol", "probe:app")
    with server.address.connect() as sock:
        sock.sendall(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n")
        with secured(sock, context) as client:
            client.sendall(get("/facts"))
            told = json.loads(parse(read_all(client)).body)["wsgi"]
    assert (told["REMOTE_ADDR"], told["wsgi.url_scheme"]) == ("192.0.2.7", "https")
    assert parse(fetch(server, context, get("/"))).text == "hello"
    assert server.request("POST", "/", body=b"plain").status == 400


# -- other clients -------------------------------------------------------------------------


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_curl(probe: Server, authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "upload"
    file.write_bytes(os.urandom(MEBIBYTE))
    url = f"https://localhost:{probe.address.port}/echo"
    upload = ["--data-binary", f"@{file}", "-H", "Expect: 100-continue", url]
    done = subprocess.run(
        ["curl", "-sS", "--noproxy", "*", "--cacert", authority.file, *upload],
        capture_output=True,
        timeout=DEADLINE,
    )
    assert (done.stderr, done.stdout == file.read_bytes()) == (b"", True)


class SClient:
    """openssl s_client, which acts on lines with a single letter; killed when it takes too long."""

    def __init__(self, server: Server, *flags: str) -> None:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.address.port}", *flags]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self._process = subprocess.Popen(command, **pipes)  # type: ignore[call-overload]
        self._killer = Timer(DEADLINE, self._process.kill)
        self._killer.start()

    def __enter__(self) -> SClient:
        self.read_to(b"Verify return code")
        return self

    def __exit__(self, *_: object) -> None:
        self._killer.cancel()
        self._process.kill()
        with self._process:
            pass

    def write(self, data: bytes) -> None:
        self._process.stdin.write(data)
        self._process.stdin.flush()

    def read_to(self, word: bytes) -> None:
        """Read lines up to one with this word."""
        lines: list[bytes] = []
        while word not in (line := self._process.stdout.readline()):
            assert line, b"".join(lines)
            lines.append(line)


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_key_update(server: Server) -> None:
    """The server has to follow, and to answer with an update of its own."""
    with SClient(server) as client:
        for path in (b"/first", b"/second"):
            client.write(b"K\n")
            client.read_to(b"KEYUPDATE")
            client.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nX-End: 1\r\n\r\n")
            client.read_to(b"200 OK")


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")
def test_renegotiation_is_refused(server: Server) -> None:
    with SClient(server, "-tls1_2") as client:
        client.write(b"R\n")
        client.read_to(b"no renegotiation")


# -- slow clients --------------------------------------------------------------------------


def client_hello(context: ssl.SSLContext) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


def test_header_timeout_covers_the_handshake(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(
        f"--certfile={certificate.both}", "--header-timeout=1", "--log-level=debug", "probe:app"
    )
    with server.address.connect() as client:
        client.sendall(client_hello(context)[:100])
        # What the server had to say before, and then the end.
        while client.recv(65536):
            pass
    server.wait_for_log("TLS handshake with ip=127.0.0.1 took too long")
    server.stop()


# -- ragged ends ---------------------------------------------------------------------------


def end_raggedly(server: Server, context: ssl.SSLContext) -> None:
    """Leave without a close_notify, in the middle of a request."""
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        sock.sendall(client.encrypted(post("/", b"body")[:-2]))


def test_ragged_ends_can_be_errors(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(
        f"--certfile={certificate.both}",
        "--log-level=debug",
        "--no-suppress-ragged-eofs",
        *KEEPING,
    )
    end_raggedly(server, context)
    server.wait_for_log("WARNING.*The TLS connection of ip=127.0.0.1 ended without a close_notify")
    assert "Invalid request" not in server.log
