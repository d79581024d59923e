"""aiohttp applications under the aiohttp worker."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from signal import SIGHUP, SIGQUIT, SIGTERM

import aiohttp
import pytest

from corn_aiohttp.application import is_native
from corn_testkit.client import get, parse, read_all, receive_until
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.tls import Certificate, secured
from corn_testkit.waiting import DEADLINE, wait_for

APPS = Path(__file__).with_name("apps")
NATIVE = ("-k", "aiohttp", "--access-logfile=-", "native:app")


@pytest.fixture
def server(serve: Serve) -> Server:
    return serve(*NATIVE, cwd=APPS)


NAMES = ("app", "make", "make()", "make_later", "make_later(0.01)")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("flags", [(), ("--preload",)], ids=["", "preload"])
def test_whatever_names_the_application(serve: Serve, name: str, flags: tuple[str, ...]) -> None:
    server = serve("-k", "aiohttp", *flags, f"native:{name}", cwd=APPS)
    assert server.get("/hello") == "hello"
    # It starts in the worker, and ends there, wherever it was loaded.
    worker = server.get("/pid")
    server.stop()
    assert f"starts in {worker}\n" in server.log
    assert server.log.index("shuts down") < server.log.index("cleans up")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("make_broken", "starting the application failed: RuntimeError: no database"),
        ("make_nothing", "gives an object of type NoneType, and no aiohttp.web.Application"),
    ],
)
def test_an_application_that_does_not_start(serve: Serve, name: str, message: str) -> None:
    server = serve("-k", "aiohttp", f"native:{name}", cwd=APPS, wait=False)
    server.tracebacks_expected = True
    server.wait(status=4)
    assert f"'native:{name}'" in server.log
    assert message in server.log


def test_requests_and_their_access_lines(server: Server) -> None:
    server.tracebacks_expected = True
    assert server.request("POST", "/echo", b"abc").body == b"abc"
    assert server.request(path="/nothing").status == 404
    assert server.request(path="/fail").status == 500
    assert server.raw(get("/", "Bad Name: x")).startswith(b"HTTP/1.0 400 ")
    wait_for(lambda: server.output.count("\n") == 4, "the access lines")
    lines = server.output.splitlines()
    assert '"POST /echo HTTP/1.1" 200 3 ' in lines[0]
    assert '"GET /nothing HTTP/1.1" 404 14 ' in lines[1]
    assert '"GET /fail HTTP/1.1" 500 ' in lines[2]
    assert '"-" 400 ' in lines[3]
    assert "[WARNING] Invalid request from ip=" in server.log
    assert server.log.count("Traceback") == 1


HOOKS = """
import sys

def show(*words):
    print(*words, file=sys.stderr, flush=True)

def pre_request(worker, req):
    show("pre", req.method, req.uri, req.path, req.query, req.version, dict(req.headers)["X-TAG"])
    if req.path == "/refused":
        raise RuntimeError("not this one")

def post_request(worker, req, environ, resp):
    show("post", req.path, resp.status, resp.status_code, resp.sent, resp.duration > 0,
         environ["HTTP_X_TAG"], environ["REMOTE_ADDR"])
"""


def test_hooks(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "conf.py"
    config.write_text(HOOKS)
    server = serve("-c", str(config), "-k", "aiohttp", "native:app", cwd=APPS)
    server.tracebacks_expected = True
    for path in ("/hello?a=b", "/fail", "/nothing", "/refused"):
        server.request(path=path, headers={"X-Tag": "one"})
    server.wait_for_log("^post ", count=4)
    told = [line for line in server.log.splitlines() if line.startswith(("pre ", "post "))]
    assert told == [
        "pre GET /hello?a=b /hello a=b (1, 1) one",
        "post /hello 200 OK 200 5 True one 127.0.0.1",
        "pre GET /fail /fail  (1, 1) one",
        "post /fail 500 Internal Server Error 500 55 True one 127.0.0.1",
        "pre GET /nothing /nothing  (1, 1) one",
        "post /nothing 404 Not Found 404 14 True one 127.0.0.1",
        "pre GET /refused /refused  (1, 1) one",
        "post /refused 500 Internal Server Error 500 55 True one 127.0.0.1",
    ]


def test_a_websocket_is_closed_when_the_server_stops(server: Server) -> None:
    async def converse() -> tuple[str, int | None]:
        url = server.address.url.replace("http", "ws") + "/websocket"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as websocket:
            await websocket.send_str("one")
            answer = await websocket.receive_str(timeout=DEADLINE)
            server.signal(SIGTERM)
            await websocket.receive(timeout=DEADLINE)
            return answer, websocket.close_code

    assert asyncio.run(converse()) == ("echo one", aiohttp.WSCloseCode.GOING_AWAY)
    server.wait()
    assert '"GET /websocket HTTP/1.1" 101 ' in server.output


def test_a_stop_waits_for_a_request(serve: Serve, gate: Gate) -> None:
    server = serve("--keep-alive=30", *NATIVE, cwd=APPS)
    with server.address.connect() as client, server.address.connect() as late:
        late.sendall(get("/hello"))
        receive_until(late, b"hello")
        client.sendall(get(f"/wait?{gate.fifo}"))
        gate.entered()
        server.signal(SIGTERM)
        server.wait_for_log("shuts down")
        # A client that may send another request, because it was told so before.
        late.sendall(get("/hello"))
        assert b"Connection: close\r\n" in read_all(late)
        gate.open()
        reply = read_all(client)
    assert reply.endswith(b"waited")
    assert b"Connection: close\r\n" in reply
    server.wait()
    assert "cleans up" in server.log


def test_a_request_that_never_ends_does_not_prevent_the_clean_up(serve: Serve) -> None:
    server = serve("--graceful-timeout=2", *NATIVE, cwd=APPS)
    with server.address.connect() as client:
        client.sendall(get("/hang"))
        server.wait_for_log("hanging$")
        server.stop()
    assert server.log.index("hanging ends") < server.log.index("cleans up")
    assert '"GET /hang HTTP/1.1" 499 ' in server.output


def test_quit_waits_for_nothing(serve: Serve) -> None:
    server = serve("--graceful-timeout=60", *NATIVE, cwd=APPS)
    with server.address.connect() as client:
        client.sendall(get("/hang"))
        server.wait_for_log("hanging$")
        server.stop(SIGQUIT)
    assert "cleans up" not in server.log


def test_workers_are_replaced(serve: Serve) -> None:
    server = serve("--max-requests=2", *NATIVE, cwd=APPS)
    first = server.get("/pid")
    wait_for(lambda: server.get("/pid") != first, "another worker")
    server.signal(SIGHUP)
    server.wait_for_log("cleans up", count=2)
    assert server.get("/hello") == "hello"
    server.stop()


def test_no_more_connections_than_worker_connections(serve: Serve) -> None:
    server = serve("--worker-connections=1", "--keep-alive=30", *NATIVE, cwd=APPS)
    with server.address.connect() as first, server.address.connect() as second:
        first.sendall(get("/hello"))
        receive_until(first, b"hello")
        second.sendall(get("/hello", "Connection: close"))
        second.settimeout(1.5)
        with pytest.raises(TimeoutError):
            second.recv(1)
        first.close()
        second.settimeout(DEADLINE)
        assert parse(read_all(second)).text == "hello"


def test_keepalive_0_closes_after_the_response(serve: Serve) -> None:
    server = serve("--keep-alive=0", *NATIVE, cwd=APPS)
    for path in ("/hello", "/nothing"):
        assert b"Connection: close\r\n" in server.raw(get(path))


def test_tls_and_unix_sockets(
    serve: Serve, certificate: Certificate, context: ssl.SSLContext, tmp_path: Path
) -> None:
    binds = ("127.0.0.1:0", f"unix:{tmp_path}/socket")
    server = serve(f"--certfile={certificate.both}", *NATIVE, bind=binds, cwd=APPS)
    for address in server.addresses:
        with secured(address.connect(), context) as client:
            client.sendall(get("/hello", "Connection: close"))
            assert parse(read_all(client)).text == "hello"
    # One that does not speak TLS harms no other.
    assert server.raw(get("/hello")) == b""
    server.stop()


def test_settings_without_effect_are_told_once(serve: Serve) -> None:
    server = serve("--threads=4", "--body-timeout=5", "--workers=2", *NATIVE, cwd=APPS)
    server.wait_for_workers(2)
    for name in ("threads", "body_timeout"):
        what = "no effect on this application with worker class aiohttp"
        server.wait_for_log(rf"\[WARNING\] {name} has {what} \(flag --")
    assert server.log.count("[WARNING]") == 2
    server.stop()


def test_proxy_protocol_is_refused(serve: Serve) -> None:
    server = serve("--proxy-protocol", *NATIVE, cwd=APPS, wait=False)
    server.wait(status=3)
    assert "proxy_protocol: expected off" in server.log


async def asgi(scope: object, receive: object, send: object) -> None: ...


async def factory() -> None: ...


def test_asgi_application_is_not_taken_for_a_factory() -> None:
    assert not is_native(asgi)
    assert is_native(factory)
