"""Tornado applications: what a client gets, what the log and the hooks are told."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import unquote
from urllib.request import urlopen

import pytest

from corn_testkit.client import get, parse, parse_all, read_all
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.tls import Certificate, secured
from corn_testkit.waiting import wait_for

Native = Callable[..., Server]
CLOSE = ("Connection: close",)
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

HOOKS = """
def pre_request(worker, req):
    worker.log.info("pre %s %s %s", req.method, req.path, req.query)

def post_request(worker, req, environ, resp):
    sent = f"{resp.status} {resp.sent} bytes"
    named = dict(resp.headers).get("Content-Type", "")
    worker.log.info("post %s: %s, %s from %s", req.path, sent, named, environ["REMOTE_ADDR"])
"""


# -- requests and responses ----------------------------------------------------------------


def test_handlers_answer(native: Native) -> None:
    server = native()
    assert server.get() == "hello"
    assert server.request("POST", "/echo", b"a body").body == b"a body"
    assert server.get("/stream?n=3") == "piece 0\npiece 1\npiece 2\n"
    assert server.request(path="/missing").status == 404
    assert server.request("PUT", "/").status == 405


def test_body_in_pieces_is_taken_by_a_streaming_handler(native: Native) -> None:
    server = native("--body-timeout=1")
    assert server.request("POST", "/count", bytes(3_000_000)).text == "3000000"


def test_connection_is_kept_and_pipelined(native: Native) -> None:
    server = native("--keep-alive=30")
    replies = parse_all(server.raw(get("/") + get("/pid") + get("/", "Connection: close")))
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert int(replies[1].body) in server.workers()


def test_connection_is_closed_without_keepalive(native: Native) -> None:
    reply = parse(native("--keep-alive=0").raw(get("/")))
    assert reply.header("Connection") == "close"


def test_idle_connection_is_closed(native: Native) -> None:
    server = native("--keep-alive=1")
    # Without the limit, the client's own patience would end this.
    assert server.raw(get("/")).endswith(b"hello")


def test_exception_is_answered_and_logged_once(native: Native) -> None:
    server = native()
    server.tracebacks_expected = True
    assert server.request(path="/fail").status == 500
    server.wait_for_log("RuntimeError: a defect of the application")
    assert server.get() == "hello"
    assert server.log.count("Traceback") == 1


def test_factory(native: Native) -> None:
    server = native(app="native:make(debug=True)")
    assert server.get() == "hello"
    server.wait_for_log("autoreload stays off")


def test_several_listeners(native: Native, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    server = native(bind=("127.0.0.1:0", f"unix:{path}"))
    assert [one.request("GET", "/").text for one in server.addresses] == ["hello", "hello"]
    assert json.loads(server.addresses[1].request("GET", "/origin").text)["protocol"] == "http"


def test_tls(native: Native, certificate: Certificate, context: ssl.SSLContext) -> None:
    server = native(f"--certfile={certificate.certfile}", f"--keyfile={certificate.keyfile}")
    with secured(server.address.connect(), context) as client:
        client.sendall(get("/origin", "Connection: close"))
        told = json.loads(parse(read_all(client)).body)
    assert told == {"protocol": "https", "remote_ip": "127.0.0.1"}
    # A client that does not speak TLS does not affect the others.
    with server.address.connect() as client, suppress(ConnectionResetError):
        client.sendall(get("/"))
        client.recv(100)
    with secured(server.address.connect(), context) as client:
        client.sendall(get("/", "Connection: close"))
        assert read_all(client).endswith(b"hello")


def test_scheme_of_a_front_end_is_believed_if_it_is_trusted(native: Native) -> None:
    told = [
        json.loads(parse(server.raw(get("/origin", "X-Forwarded-Proto: https", *CLOSE))).body)
        for server in (native(), native("--forwarded-allow-ips=192.0.2.1"))
    ]
    assert [one["protocol"] for one in told] == ["https", "http"]


def test_client_named_by_the_proxy_protocol(native: Native) -> None:
    server = native("--proxy-protocol", "--access-logfile=-")
    header = b"PROXY TCP4 192.0.2.9 192.0.2.1 4242 80\r\n"
    told = json.loads(parse(server.raw(header + get("/origin", *CLOSE))).body)
    assert told["remote_ip"] == "192.0.2.9"
    wait_for(lambda: server.output.startswith("192.0.2.9 "), "the access line")


def test_bytes_that_might_have_been_a_proxy_header(native: Native) -> None:
    server = native("--proxy-protocol")
    with server.address.connect() as client:
        client.sendall(b"P")
        wait_for(lambda: unread(client) == 0, "the server to take it")
        client.sendall(b"OST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n!")
        assert client.recv(1000).endswith(b"!")


def unread(client: socket.socket) -> int:
    """Count the bytes that the other side of a local connection has not taken yet."""
    ours, theirs = (f"{port:04X}" for port in (client.getsockname()[1], client.getpeername()[1]))
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1].endswith(f":{theirs}") and fields[2].endswith(f":{ours}"):
            return int(fields[4].partition(":")[2], 16)
    return -1


def test_wsgi_application_in_a_container_of_tornado(native: Native) -> None:
    reply = native(app="native:contained").request(path="/")
    assert reply.text == "contained"
    assert (reply.header("Server") or "").startswith("TornadoServer")


def test_preloaded_application(native: Native) -> None:
    server = native("--preload", "--workers=2")
    server.wait_for_workers(2)
    assert int(server.get("/pid")) in server.workers()
    # What it had from the master is another loop, which never runs.
    assert server.get("/loop") == "False"
    server.stop()


def test_loop_of_the_import_is_the_one_that_runs(native: Native) -> None:
    assert native().get("/loop") == "True"


# -- limits --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\n folded\x00: y\r\n\r\n", 400),
        (get("/" + "a" * 5000), 414),
        (get("/", *[f"X-{number}: y" for number in range(200)]), 431),
        (get("/", "X-Long: " + "y" * 9000), 431),
        (CHUNKED + b"zz\r\n", 400),
        (CHUNKED + b"1" * 100 + b"\r\n", 400),
        (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n", 400),
    ],
    ids=[
        *("line", "field", "long line", "many fields", "long field"),
        *("chunk", "endless chunk", "long body"),
    ],
)
def test_bad_requests_are_refused_without_a_traceback(
    native: Native, request_: bytes, status: int
) -> None:
    server = native("--access-logfile=-", "--limit-request-body=98")
    assert parse(server.raw(request_)).status == status
    wait_for(lambda: f'" {status} ' in server.output, "the access line")
    assert server.get() == "hello"


def test_head_beyond_all_limits_is_refused_before_it_ends(native: Native) -> None:
    limits = [f"--limit-request-{each}" for each in ("line=100", "fields=9", "field_size=100")]
    server = native(*limits, "--access-logfile=-")
    assert parse(server.raw(b"GET / HTTP/1.1\r\nX-Endless: " + b"y" * 5000)).status == 431
    wait_for(lambda: '"-" 431 ' in server.output, "the access line")


def test_head_has_its_time(native: Native) -> None:
    server = native("--header-timeout=1")
    assert parse(server.raw(b"GET / HTTP/1.1\r\nHost:")).status == 408


def test_body_has_its_time(native: Native) -> None:
    server = native("--body-timeout=1", "--access-logfile=-")
    head = b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"
    assert parse(server.raw(head + b"four")).status == 408
    wait_for(lambda: '"POST /echo HTTP/1.1" 408 ' in server.output, "the access line")


def test_client_that_takes_nothing_is_cut_off(native: Native) -> None:
    server = native("--write-timeout=1")
    worker = server.wait_for_workers(1)[0]
    descriptors = Path(f"/proc/{worker}/fd")
    before = len(list(descriptors.iterdir()))
    with server.address.connect() as client:
        client.sendall(get("/large"))
        wait_for(lambda: len(list(descriptors.iterdir())) > before, "the connection")
        wait_for(lambda: len(list(descriptors.iterdir())) == before, "its end")


def test_no_more_connections_than_allowed(native: Native) -> None:
    server = native("--worker-connections=1", "--keep-alive=1")
    with server.address.connect() as first, server.address.connect() as second:
        first.sendall(get("/"))
        assert first.recv(1000).endswith(b"hello")
        second.sendall(get("/"))
        assert second.recv(1000).endswith(b"hello")
        # The second had to wait until there was room for it.
        first.setblocking(False)
        assert first.recv(1000) == b""


def test_settings_of_the_servers_own_parser_are_said_to_have_no_effect(native: Native) -> None:
    server = native("--header-map=refuse", "--threads=2")
    server.wait_for_log("header_map has no effect on this application with worker class tornado")
    server.wait_for_log("threads has no effect on worker class tornado")


# -- the log and the hooks -----------------------------------------------------------------


def test_every_request_has_an_access_line(native: Native) -> None:
    server = native("--access-logfile=-")
    with urlopen(f"{server.address.url}/?a=b") as response:
        response.read()
    server.request(path="/missing")
    wait_for(lambda: server.output.count("\n") == 2, "two lines")
    lines = server.output.splitlines()
    first = r'127\.0\.0\.1 - - \[.+\] "GET /\?a=b HTTP/1\.1" 200 5 "-" "Python-urllib/.+"'
    assert re.fullmatch(first, lines[0])
    assert '"GET /missing HTTP/1.1" 404 69 ' in lines[1]


def test_hooks_see_every_request(native: Native, tmp_path: Path) -> None:
    config = tmp_path / "hooks.py"
    config.write_text(HOOKS)
    server = native(f"--config={config}")
    server.get("/stream?n=3")
    server.request(path="/missing")
    server.wait_for_log("post /missing")
    lines = [line.partition("[INFO] ")[2] for line in server.log.splitlines()]
    html = "text/html; charset=UTF-8 from 127.0.0.1"
    assert [line for line in lines if line.startswith(("pre", "post"))] == [
        "pre GET /stream n=3",
        f"post /stream: 200 OK 24 bytes, {html}",
        "pre GET /missing ",
        f"post /missing: 404 Not Found 69 bytes, {html}",
    ]


def test_failing_pre_request_is_answered_for(native: Native, tmp_path: Path) -> None:
    config = tmp_path / "hooks.py"
    config.write_text("def pre_request(worker, req):\n    assert req.path != '/refused'\n")
    server = native(f"--config={config}", "--access-logfile=-")
    server.tracebacks_expected = True
    assert server.request(path="/refused").status == 500
    assert server.get() == "hello"
    assert '"GET /refused HTTP/1.1" 500 ' in server.output


def test_client_that_leaves_before_the_response(native: Native, gate: Gate) -> None:
    server = native("--access-logfile=-")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
    wait_for(lambda: '/gate HTTP/1.1" 499 ' in unquote(server.output), "the access line")


def test_requests_that_wait_for_each_other_are_all_counted(native: Native, tmp_path: Path) -> None:
    gates = [Gate(tmp_path, name) for name in ("first", "second")]
    config = tmp_path / "config.py"
    config.write_text(
        "def on_tick(server):\n"
        "    for worker in server.snapshot():\n"
        "        server.log.info('in flight: %s', worker.in_flight)\n"
    )
    server = native(f"--config={config}")
    with ExitStack() as stack:
        for gate in gates:
            stack.enter_context(server.address.connect()).sendall(gate.request)
            gate.entered()
        server.wait_for_log("in flight: 2")
        for gate in gates:
            gate.open()
    server.wait_for_log("in flight: 0")
