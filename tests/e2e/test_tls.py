"""HTTPS: requests and responses over TLS are what they are without it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from signal import SIGTERM
from threading import Timer
from urllib.parse import quote

import pytest

from corn_testkit.client import parse, parse_all, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.tls import Authority, ByHand, Certificate, secured
from corn_testkit.waiting import DEADLINE, wait_for
from tests.e2e.secure_client import ask, fetch
from tests.e2e.test_connections import get, open_descriptors, post, receive_until

MEBIBYTE = 1024 * 1024
KEEPING = ("-k", "keepalive.KeepAliveWorker", "--keep-alive=30", "keepalive:app")
CLOSE = "Connection: close"


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


def test_the_application_is_told(probe: Server, context: ssl.SSLContext) -> None:
    assert probe.address.url.startswith("https://")
    reply = parse(fetch(probe, context, get("/facts")))
    told = json.loads(reply.body)["wsgi"]
    assert told["wsgi.url_scheme"] == "https"
    assert told["HTTPS"] == "on"
    assert told["SSL_PROTOCOL"] == "TLSv1.3"
    assert told["SSL_CIPHER"].startswith("TLS_")
    assert told["SSL_CLIENT_VERIFY"] == "NONE"
    assert "SSL_CLIENT_CERT" not in told


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


def test_upload_and_download_of_20_mebibytes(probe: Server, context: ssl.SSLContext) -> None:
    body = os.urandom(20 * MEBIBYTE)
    assert parse(fetch(probe, context, post("/echo", body))).body == body


def test_chunked_response_of_20_mebibytes(probe: Server, context: ssl.SSLContext) -> None:
    reply = parse(fetch(probe, context, get("/large?q=20480")))
    assert reply.body == b"".join(b"%1023d\n" % number for number in range(20480))


def test_response_that_ends_with_the_connection(probe: Server, context: ssl.SSLContext) -> None:
    # The client has no other sign than the close_notify that nothing is missing.
    reply = parse(fetch(probe, context, get("/large?q=64", version="1.0")))
    assert len(reply.body) == 64 * 1024


def test_response_cut_short_does_not_end_as_if_it_were_whole(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(f"--certfile={certificate.both}", "spool:broken")
    server.tracebacks_expected = True
    with secured(server.address.connect(), context) as client:
        client.sendall(get("/", version="1.0"))
        with pytest.raises(OSError):
            while client.recv(65536):
                pass


def test_file_is_encrypted_too(probe: Server, context: ssl.SSLContext, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(3 * MEBIBYTE + 17))
    request = get(f"/file?q={quote(str(file))}&from=17")
    assert parse(fetch(probe, context, request)).body == file.read_bytes()[17:]


def test_interim_response(probe: Server, context: ssl.SSLContext) -> None:
    with secured(probe.address.connect(), context) as client:
        client.sendall(
            b"POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n"
        )
        assert receive_until(client, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"body")
        assert parse(read_all(client)).body == b"body"


def test_bad_request(probe: Server, context: ssl.SSLContext) -> None:
    assert parse(fetch(probe, context, b"NONSENSE\r\n\r\n")).status == 400


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


# -- one connection, several requests ------------------------------------------------------


def test_one_connection_carries_requests_one_after_another(
    server: Server, context: ssl.SSLContext
) -> None:
    with secured(server.address.connect(), context) as client:
        for number in range(3):
            client.sendall(get(f"/{number}"))
            receive_until(client, f"/{number} ".encode())
        client.sendall(get("/last", CLOSE))
        assert read_all(client).endswith(b"/last ")


def test_pipelined_requests_are_answered_in_order(server: Server, context: ssl.SSLContext) -> None:
    # Four records in one segment, so that most of them wait inside OpenSSL at first.
    paths = [f"/{number}" for number in range(50)]
    requests = b"".join(post(path, path.encode() * 300) for path in paths)
    replies = parse_all(fetch(server, context, requests + get("/end", CLOSE)))
    expected = [path.encode() + b" " + path.encode() * 300 for path in paths] + [b"/end "]
    assert [reply.body for reply in replies] == expected


def test_a_byte_a_record(server: Server, context: ssl.SSLContext) -> None:
    with secured(server.address.connect(), context) as client:
        for byte in post("/slow", b"body"):
            client.sendall(bytes([byte]))
        assert receive_until(client, b"body").endswith(b"/slow body")


def test_a_byte_of_a_record_at_a_time(server: Server, context: ssl.SSLContext) -> None:
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        # Handshake messages too.
        client.handshake(size=1)
        for byte in client.encrypted(post("/slow", b"body")):
            sock.sendall(bytes([byte]))
        sock.sendall(client.encrypted(get("/end", CLOSE)))
        replies = parse_all(client.read_all())
    assert [reply.body for reply in replies] == [b"/slow body", b"/end "]


def test_handshake_that_goes_on_with_a_letter(server: Server, context: ssl.SSLContext) -> None:
    """It is no plain HTTP for that."""
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.do_handshake()
        hello = client.pending()
        middle = hello.index(b"localhost")
        sock.sendall(hello[:middle])
        # When this has been answered, the first part has been read.
        assert fetch(server, context, get("/other", CLOSE)).endswith(b"/other ")
        sock.sendall(hello[middle:])
        client.receive()
        client.handshake()
        sock.sendall(client.encrypted(get("/", CLOSE)))
        assert client.read_all().endswith(b"/ ")


def test_request_in_the_segment_that_ends_the_handshake(
    server: Server, context: ssl.SSLContext
) -> None:
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        with pytest.raises(ssl.SSLWantReadError):
            client.tls.do_handshake()
        sock.sendall(client.pending())
        while True:
            client.receive()
            try:
                client.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                assert not client.pending()
        sock.sendall(client.pending() + client.encrypted(get("/", CLOSE)))
        assert client.read_all().endswith(b"/ ")


def test_client_that_says_at_once_that_it_sends_no_more(
    server: Server, context: ssl.SSLContext
) -> None:
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        two = client.encrypted(get("/a") + get("/b"))
        sock.sendall(two + client.close_notify())
        client.receive()
        replies = parse_all(client.read_all())
    assert [reply.body for reply in replies] == [b"/a ", b"/b "]


def test_close_notify_in_the_middle_of_a_request(server: Server, context: ssl.SSLContext) -> None:
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        sock.sendall(client.encrypted(post("/", b"body")[:-2]) + client.close_notify())
        assert parse(client.read_all()).status == 400


def test_close_notify_during_the_response_does_not_destroy_it(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext, gate: Gate
) -> None:
    server = serve(f"--certfile={certificate.both}", "probe:app")
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        sock.sendall(client.encrypted(gate.request))
        gate.entered()
        sock.sendall(client.close_notify())
        gate.open()
        assert parse(client.read_all()).status == 200
        # Its end, and no reset because of bytes that nobody has read.
        assert sock.recv(1) == b""


def test_idle_connection_ends_in_order(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(f"--certfile={certificate.both}", *KEEPING, "--keep-alive=1")
    assert fetch(server, context, get("/")).endswith(b"/ ")


def test_draining_worker_answers_and_says_goodbye(server: Server, context: ssl.SSLContext) -> None:
    with secured(server.address.connect(), context) as client:
        client.sendall(get("/a"))
        receive_until(client, b"/a ")
        server.signal(SIGTERM)
        server.wait_for_log("Handling signal: term")
        client.sendall(get("/b"))
        assert b"Connection: close\r\n" in read_all(client)
    server.wait()


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


@pytest.mark.parametrize("size", [0, 1, 100, 10_000], ids=["silence", "type", "part", "hello"])
def test_stalled_handshakes_keep_nobody_waiting(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext, size: int
) -> None:
    server = serve(
        f"--certfile={certificate.both}", "--header-timeout=0", "--graceful-timeout=60", "probe:app"
    )
    beginning = client_hello(context)[:size]
    stalled = [server.address.connect() for _ in range(30)]
    for client in stalled:
        client.sendall(beginning)
    assert parse(fetch(server, context, get("/"))).text == "hello"
    # Nor do they hold up a stop, though nothing else limits them here.
    server.stop()
    for client in stalled:
        client.close()


@pytest.mark.parametrize("size", [0, 100, 10_000], ids=["silence", "part", "hello"])
def test_header_timeout_covers_the_handshake(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext, size: int
) -> None:
    server = serve(
        f"--certfile={certificate.both}", "--header-timeout=1", "--log-level=debug", "probe:app"
    )
    with server.address.connect() as client:
        client.sendall(client_hello(context)[:size])
        # What the server had to say before, and then the end.
        while client.recv(65536):
            pass
    server.wait_for_log("TLS handshake with ip=127.0.0.1 took too long")
    server.stop()


def test_header_timeout_goes_on_after_the_handshake(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(f"--certfile={certificate.both}", "--header-timeout=1", *KEEPING)
    assert fetch(server, context, b"") == b""
    assert parse(fetch(server, context, b"GET /")).status == 408


def test_body_timeout_is_for_pauses(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    """A record that takes longer than the limit, but comes in time piece by piece."""
    server = serve(f"--certfile={certificate.both}", "--body-timeout=2", *KEEPING)
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        request = post("/", b"x" * 4096)
        head, body = request[:-4096], request[-4096:]
        sock.sendall(client.encrypted(head))
        record = client.encrypted(body)
        # Session tickets.
        client.receive()
        sock.settimeout(0.7)
        for start in range(5):
            sock.sendall(record[start : start + 1])
            # Nothing comes: this is how long the client pauses.
            with pytest.raises(TimeoutError):
                sock.recv(1)
        sock.settimeout(DEADLINE)
        sock.sendall(record[5:] + client.encrypted(get("/end", CLOSE)))
        assert [reply.status for reply in parse_all(client.read_all())] == [200, 200]


def test_slow_reader(probe: Server, context: ssl.SSLContext) -> None:
    with socket.socket() as sock:
        sock.settimeout(DEADLINE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(("127.0.0.1", probe.address.port))
        with secured(sock, context) as slow:
            slow.sendall(get("/large?q=8192"))
            assert parse(fetch(probe, context, get("/"))).text == "hello"
            assert len(parse(read_all(slow)).body) == 8192 * 1024


def test_handshake_that_does_not_fit_into_the_socket(
    serve: Serve, authority: Authority, certificate: Certificate, tmp_path: Path
) -> None:
    """A long chain of certificates, and a client with small segments and a small window."""
    chain = tmp_path / "chain.pem"
    # Clients take 100 kilobytes at most.
    others = "".join(Path(authority.issue().certfile).read_text() for _ in range(140))
    chain.write_text(Path(certificate.both).read_text() + others)
    server = serve(f"--certfile={chain}", "probe:app")
    with socket.socket() as sock:
        sock.settimeout(DEADLINE)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2304)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        sock.connect(("127.0.0.1", server.address.port))
        with secured(sock, authority.context()) as client:
            client.sendall(get("/"))
            assert parse(read_all(client)).text == "hello"


# -- what is no TLS ------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_plain_http_is_told_so(serve: Serve, certificate: Certificate, method: str) -> None:
    server = serve(f"--certfile={certificate.both}", "--access-logfile=-", "probe:app")
    reply = server.request(method, "/x?y", body=b"body")
    assert reply.status == 400
    assert "a plain HTTP request was sent to a port that speaks HTTPS" in reply.text
    assert reply.header("connection") == "close"
    server.wait_for_log(rf"WARNING\] Invalid request from ip=127.0.0.1: {method} /x\?y: a plain")
    wait_for(lambda: f'"{method} /x?y HTTP/1.1" 400' in server.output, "the access line")


def test_plain_http_of_one_letter(probe: Server) -> None:
    with probe.address.connect() as client:
        client.sendall(b"G")
        assert parse(read_all(client)).status == 400


@pytest.mark.parametrize(
    "garbage", [b"\0\1\2\3\4\5\6\7", b"\x16\3\1\xff\xff" + b"x" * 70_000, b"\x80\x2e\1\3\1" * 99]
)
def test_garbage(probe: Server, context: ssl.SSLContext, garbage: bytes) -> None:
    before = probe.log.count("TLS handshake with ip=127.0.0.1 failed: ")
    with probe.address.connect() as client:
        client.sendall(garbage)
        assert b"HTTP" not in read_all(client)
    probe.wait_for_log("TLS handshake with ip=127.0.0.1 failed: ", before + 1)
    assert parse(fetch(probe, context, get("/"))).text == "hello"


def test_garbage_after_the_handshake(serve: Serve, certificate: Certificate) -> None:
    server = serve(f"--certfile={certificate.both}", "probe:app")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        sock.sendall(b"\x17\3\3\0\x20" + b"x" * 32)
        with pytest.raises(ssl.SSLError, match=r"(?i)bad record mac"):
            client.read_all()
    server.wait_for_log("TLS connection with ip=127.0.0.1 failed: .*bad record mac")


# -- ragged ends ---------------------------------------------------------------------------


def end_raggedly(server: Server, context: ssl.SSLContext) -> None:
    """Leave without a close_notify, in the middle of a request."""
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        sock.sendall(client.encrypted(post("/", b"body")[:-2]))


def test_ragged_end_of_a_complete_request(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(f"--certfile={certificate.both}", "probe:app")
    with server.address.connect() as sock:
        client = ByHand(sock, context)
        client.handshake()
        sock.sendall(client.encrypted(get("/")))
        sock.shutdown(socket.SHUT_WR)
        assert parse(client.read_all()).text == "hello"
    assert "close_notify" not in server.log


def test_ragged_ends_are_taken_for_orderly_ones(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    server = serve(f"--certfile={certificate.both}", "--log-level=debug", *KEEPING)
    end_raggedly(server, context)
    # As without TLS: the request is incomplete, and that is what is wrong.
    server.wait_for_log("DEBUG.*Invalid request from ip=127.0.0.1: POST /: ")
    assert "close_notify" not in server.log


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
