"""The asgi worker as a worker of corn: limits, timeouts, hooks, TLS, proxies, replacement."""

from __future__ import annotations

import ast
import ssl
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP, SIGQUIT, SIGTERM

import pytest

from corn_testkit.asgi.serving import serving
from corn_testkit.client import get, parse, parse_all, post, read_all, receive_until
from corn_testkit.descriptors import sockets_of
from corn_testkit.fixtures import Serve
from corn_testkit.server import Server
from corn_testkit.tls import Certificate, secured
from corn_testkit.waiting import listening, wait_for

APPS = Path(__file__).with_name("apps")
PROBE = (
    "-k",
    "asgi",
    "--access-logfile=-",
    "--access-logformat=%(s)s %(B)s %(r)s",
    "asgi_probe:app",
)
LIMITS = (
    *("--limit-request-line=200", "--limit-request-fields=10", "--limit-request-body=1000"),
    *("--header-timeout=1", "--body-timeout=1", "--write-timeout=1", "--keep-alive=1"),
)
CLOSE = "Connection: close"


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("limited"), APPS, *LIMITS, *PROBE) as server:
        yield server


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (get("/" + "x" * 200), 414),
        (get("/hello", *(f"A{n}: b" for n in range(20))), 431),
        (post("/length", b"x" * 1001), 413),
        (get("/length", "Transfer-Encoding: chunked") + b"3e9\r\n" + b"x" * 1001, 413),
        (b"GET / HT", 408),
        (post("/length", b"x" * 100)[:-50], 408),
        (get("/length", "Transfer-Encoding: chunked") + b"5\r\nabc", 408),
    ],
)
def test_limits_and_timeouts(limited: Server, sent: bytes, status: int) -> None:
    assert parse(limited.raw(sent)).status == status


@pytest.mark.parametrize("sent", [b"", get("/hello")])
def test_quiet_connections_are_closed(limited: Server, sent: bytes) -> None:
    with limited.address.connect() as client:
        client.sendall(sent)
        data = read_all(client)
    assert data.endswith(b"hello") if sent else data == b""


def test_a_client_that_takes_nothing_is_cut_off(limited: Server) -> None:
    with limited.address.connect() as client:
        client.sendall(get("/flood"))
        wait_for(lambda: "flood ends" in limited.get("/events"), "the end of the flood")
    wait_for(lambda: "GET /flood" in limited.output, "its access line")


HOOKS = """
import sys

def show(*words):
    print(*words, file=sys.stderr, flush=True)

def pre_request(worker, req):
    show("pre", req.method, req.uri, req.path, req.query, req.version, dict(req.headers)["X-TAG"])
    if req.path == "/none":
        raise RuntimeError("not this one")

def post_request(worker, req, environ, resp):
    show("post", req.path, resp.status, resp.status_code, resp.sent, resp.duration > 0,
         environ["HTTP_X_TAG"], environ["REMOTE_ADDR"])
"""


def test_hooks(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "conf.py"
    config.write_text(HOOKS)
    server = serve("-c", str(config), *PROBE, cwd=APPS)
    server.tracebacks_expected = True
    for path in ("/hello?a=b", "/crash", "/none"):
        server.request(path=path, headers={"X-Tag": "one"})
    server.wait_for_log("^post ", count=3)
    told = [line for line in server.log.splitlines() if line.startswith(("pre ", "post "))]
    assert told == [
        "pre GET /hello?a=b /hello a=b (1, 1) one",
        "post /hello 200 OK 200 5 True one 127.0.0.1",
        "pre GET /crash /crash  (1, 1) one",
        "post /crash 500 Internal Server Error 500 208 True one 127.0.0.1",
        "pre GET /none /none  (1, 1) one",
        "post /none 500 Internal Server Error 500 208 True one 127.0.0.1",
    ]
    server.stop()


def test_a_stop_waits_for_requests_and_for_what_comes_after_them(serve: Serve) -> None:
    server = serve("--keep-alive=30", *PROBE, cwd=APPS)
    address = server.address
    with address.connect() as client, address.connect() as kept, address.connect():
        kept.sendall(get("/background?later"))
        receive_until(kept, b"done")
        client.sendall(get("/wait?stop"))
        wait_for(lambda: "waits" in server.get("/events"), "the request")
        (worker,), listeners = server.workers(), listening(address.port)
        server.signal(SIGTERM)
        wait_for(lambda: not listeners & sockets_of(worker), "the worker to stop accepting")
        kept.sendall(get("/go?stop"))
        data = read_all(client)
        assert data.endswith(b"waited")
        assert b"Connection: close\r\n" in data
        assert b"Connection: close\r\n" in receive_until(kept, b"gone")
    # The code that runs on is waited for, and is not ended before the time is up.
    assert server.process.poll() is None
    server.kill()


PATIENT = ("--keep-alive=300", "--header-timeout=300", "--graceful-timeout=300")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_quiet_connections_do_not_hold_up_a_stop(serve: Serve, loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = serve(f"--asgi-loop={loop}", *PATIENT, *PROBE, cwd=APPS)
    with server.address.connect() as slow, server.address.connect() as kept:
        slow.sendall(b"GET ")
        kept.sendall(get("/hello"))
        receive_until(kept, b"hello")
        server.stop()
        assert (read_all(kept), read_all(slow)[:12]) == (b"", b"HTTP/1.1 408")


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_quit_waits_for_nothing(serve: Serve, loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = serve(f"--asgi-loop={loop}", *PATIENT, *PROBE, cwd=APPS)
    with server.address.connect() as client:
        client.sendall(get("/wait?never"))
        wait_for(lambda: "waits" in server.get("/events"), "the request")
        server.stop(SIGQUIT)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_signal_in_a_callback_of_the_loop_is_obeyed(serve: Serve, loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    server = serve(f"--asgi-loop={loop}", *PROBE, cwd=APPS)
    with server.address.connect() as client:
        client.sendall(get("/quit-in-a-callback"))
        server.wait_for_log("Worker exiting")
        server.wait_for_log("Booting worker", count=2)
    server.stop()


def test_replacement(serve: Serve) -> None:
    server = serve("--max-requests=3", *PROBE, cwd=APPS)
    first = server.wait_for_workers(1)
    for _ in range(3):
        server.get("/hello")
    wait_for(lambda: server.workers() and not set(first) & set(server.workers()), "another worker")
    second = server.workers()
    server.signal(SIGHUP)
    wait_for(lambda: server.workers() and not set(second) & set(server.workers()), "a third one")
    assert server.get("/hello") == "hello"
    server.stop()


def test_a_loop_that_is_blocked_is_reported_with_its_stack(serve: Serve) -> None:
    server = serve("--timeout=2", *PROBE, cwd=APPS)
    server.tracebacks_expected = True
    with server.address.connect() as client:
        client.sendall(get("/block"))
        server.wait_for_log(r"WORKER TIMEOUT")
        server.wait_for_log(r'asgi_probe\.py", line \d+ in block')
        server.wait_for_log(r"GET /block")
    server.wait_for_log("Booting worker", count=2)
    assert server.get("/hello") == "hello"
    server.stop()


def test_no_more_connections_than_worker_connections(serve: Serve) -> None:
    server = serve("--worker-connections=1", "--keep-alive=30", *PROBE, cwd=APPS)
    with server.address.connect() as first, server.address.connect() as second:
        first.sendall(get("/hello"))
        receive_until(first, b"hello")
        second.sendall(get("/hello", CLOSE))
        second.settimeout(1.5)
        with pytest.raises(TimeoutError):
            second.recv(1)
        first.close()
        second.settimeout(60)
        assert parse(read_all(second)).text == "hello"
    server.stop()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_tls_and_unix_sockets(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext, tmp_path: Path, loop: str
) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    binds = ("127.0.0.1:0", f"unix:{tmp_path}/socket")
    certified = f"--certfile={certificate.both}"
    server = serve(certified, f"--asgi-loop={loop}", *PROBE, bind=binds, cwd=APPS)
    for address in server.addresses:
        with secured(address.connect(), context) as client:
            client.sendall(get("/scope") + post("/echo", b"x" * 100_000) + get("/file", CLOSE))
            replies = parse_all(read_all(client))
        scope = ast.literal_eval(replies[0].text)
        assert scope["scheme"] == "https"
        assert scope["extensions"]["tls"]["tls_version"] in (0x0303, 0x0304)
        assert isinstance(scope["extensions"]["tls"]["cipher_suite"], int)
        assert replies[1].body == b"x" * 100_000
        assert replies[2].body == (APPS / "asgi_probe.py").read_bytes()
        if address.url.startswith("unix:"):
            assert scope["client"] is None
            assert scope["server"] == (f"{tmp_path}/socket", None)
    # One that does not speak TLS harms no other.
    with server.address.connect() as plain:
        plain.sendall(get("/hello"))
        assert b"200" not in plain.recv(1000)
    server.stop()


def test_the_proxy_protocol(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext
) -> None:
    header = b"PROXY TCP4 192.0.2.7 192.0.2.8 7 443\r\n"
    server = serve("--proxy-protocol", "--header-timeout=1", *PROBE, cwd=APPS)
    with server.address.connect() as client:
        for octet in header:
            client.sendall(bytes([octet]))
        client.sendall(get("/scope", CLOSE))
        scope = ast.literal_eval(parse(read_all(client)).text)
    assert (scope["client"], scope["server"]) == (("192.0.2.7", 7), ("192.0.2.8", 443))
    assert parse(server.raw(get("/hello", CLOSE))).text == "hello"
    assert parse(server.raw(b"PROXY NONSENSE\r\n" + get("/hello"))).status == 400
    assert parse(server.raw(b"PROXY TCP4")).status == 400
    server.stop()
    server = serve("--proxy-protocol", f"--certfile={certificate.both}", *PROBE, cwd=APPS)
    client = server.address.connect()
    client.sendall(header)
    with secured(client, context) as encrypted:
        encrypted.sendall(get("/scope", CLOSE))
        scope = ast.literal_eval(parse(read_all(encrypted)).text)
    assert (scope["client"], scope["scheme"]) == (("192.0.2.7", 7), "https")
    server.stop()
    server = serve("--proxy-protocol", "--proxy-allow-from=10.0.0.1", *PROBE, cwd=APPS)
    assert parse(server.raw(header + get("/hello"))).status == 403
    server.stop()


def test_front_ends_are_believed_when_they_are_trusted(serve: Serve) -> None:
    server = serve(*PROBE, cwd=APPS, env={"SCRIPT_NAME": "/scope"})
    fields = ("X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.9", CLOSE)
    scope = ast.literal_eval(parse(server.raw(get("/scope/", *fields))).text)
    assert (scope["scheme"], scope["client"]) == ("https", ("192.0.2.9", 0))
    assert (scope["root_path"], scope["path"]) == ("/scope", "/scope/")
    assert parse(server.raw(get("/other"))).status == 500
    server.wait_for_log("is not under SCRIPT_NAME '/scope'")
    bad = ("X-Forwarded-Proto: http", "X-Forwarded-Ssl: on")
    assert parse(server.raw(get("/scope/", *bad))).status == 400
    server.stop()


def test_settings_that_are_wrong_or_without_effect(serve: Serve) -> None:
    server = serve("--threads=4", *PROBE, cwd=APPS)
    server.wait_for_log(r"\[WARNING\] threads has no effect on worker class asgi \(flag --threads")
    server.stop()
