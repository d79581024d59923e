"""Behind nginx and HAProxy: what is one request to the proxy is never two to the server.

Each probe is a message, or several, that programs are known to cut into requests differently. Every
request target in it, open or hidden in a body, has a mark of its own. The proxy logs the requests
that it sees, and the application those that reach it: the second may be fewer, never others.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from corn_testkit.client import Address, listens
from corn_testkit.fixtures import Serve
from corn_testkit.waiting import wait_for
from tests import nginx

WORKERS = ("sync", "gthread", "gevent", "eventlet", "tornado", "aiohttp", "asgi")

APP = """
import os

def record(method, target):
    fd = os.open(os.environ["RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{method} {target}\\n".encode())
    os.close(fd)

def app(environ, start_response):
    body = environ["wsgi.input"].read()
    record(environ["REQUEST_METHOD"], environ["RAW_URI"])
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    target = scope["raw_path"].decode()
    if scope["type"] == "websocket":
        record("GET", target)
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        body, more = body + message["body"], message["more_body"]
    record(scope["method"], target)
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body})
"""

NGINX = """
    log_format target '$request';
    underscores_in_headers on;
    ignore_invalid_headers off;
    upstream corn {{ server unix:{back} fail_timeout=0; keepalive 4; }}
    server {{
        listen unix:{front};
        location / {{
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_pass http://corn;
        }}
    }}
"""

HAPROXY = """
global
    log stdout format raw local0
defaults
    mode http
    log global
    log-format "%r"
    timeout connect 5s
    timeout client 5s
    timeout server 5s
    http-reuse always
frontend front
    bind unix@{front}
    default_backend corn
backend corn
    server corn unix@{back}
"""

FIRST = 10
"""The number of the first probe. All have two digits, so that lengths are the same."""

HIDDEN = b"GET /hidden-%d HTTP/1.1\r\nHost: x\r\n\r\n"
"""What an attacker would like the server to see as a request of its own."""


def post(fields: bytes, body: bytes) -> bytes:
    return b"POST /open-%d HTTP/1.1\r\nHost: x\r\n" + fields + b"\r\n" + body


CHUNKED = b"Transfer-Encoding: chunked\r\n"
LONG = b"Content-Length: 36\r\n"
"""Of the hidden request; 0x24 as a chunk."""

WHOLE = b"Content-Length: 41\r\n"
"""With the last chunk in front of it; 0x29 as a chunk."""

LAST = b"0\r\n\r\n"

PROBES = {
    "CL.TE": post(WHOLE + CHUNKED, LAST + HIDDEN),
    "TE.CL": post(CHUNKED + b"Content-Length: 4\r\n", b"24\r\n" + HIDDEN + b"\r\n0\r\n\r\n"),
    "two lengths": post(b"Content-Length: 0\r\n" + LONG, HIDDEN),
    "list of lengths": post(b"Content-Length: 0, 36\r\n", HIDDEN),
    "signed length": post(b"Content-Length: +36\r\n", HIDDEN),
    "length with space": post(b"Content-Length : 36\r\n", HIDDEN),
    "TE.TE other": post(CHUNKED + b"Transfer-Encoding: x\r\n", LAST + HIDDEN),
    "TE.TE identity": post(LONG + b"Transfer-Encoding: identity\r\n", HIDDEN),
    "TE.TE quoted": post(WHOLE + b'Transfer-Encoding: "chunked"\r\n', LAST + HIDDEN),
    "TE.TE not last": post(b"Transfer-Encoding: chunked, x\r\n", LAST + HIDDEN),
    "TE.TE tab": post(WHOLE + b"Transfer-Encoding:\tchunked\r\n", LAST + HIDDEN),
    "TE.TE vertical tab": post(WHOLE + b"Transfer-Encoding: \x0bchunked\r\n", LAST + HIDDEN),
    "TE underscore": post(WHOLE + b"Transfer_Encoding: chunked\r\n", LAST + HIDDEN),
    "TE folded": post(WHOLE + b"Transfer-Encoding:\r\n chunked\r\n", LAST + HIDDEN),
    "TE in 1.0": post(WHOLE + CHUNKED, LAST + HIDDEN).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
    "bare LF": post(b"X: y\n" + CHUNKED, LAST + HIDDEN),
    "bare LF ends the head": b"GET /open-%d HTTP/1.1\nHost: x\n\n" + HIDDEN,
    "bare CR": post(b"X: y\rTransfer-Encoding: chunked\r\n", LAST + HIDDEN),
    "chunk extension": post(CHUNKED, b"2;a=b\r\nab\r\n0\r\n\r\n"),
    "chunk extension with LF": post(CHUNKED, b"2;\nab\r\n29\r\n" + LAST + HIDDEN),
    "chunk size prefix": post(CHUNKED, b"0x24\r\n" + HIDDEN + b"\r\n0\r\n\r\n"),
    "chunk size overflow": post(CHUNKED, b"100000000000000002\r\nab\r\n0\r\n\r\n" + HIDDEN),
    "chunk without CRLF": post(CHUNKED, b"2\r\nabXX0\r\n\r\n" + HIDDEN),
    "trailers": post(CHUNKED, b"0\r\nContent-Length: 36\r\nHost: y\r\n\r\n"),
    "request in trailers": post(CHUNKED, b"0\r\nX: y\n\n" + HIDDEN),
    "pipelined": b"GET /open-%d HTTP/1.1\r\nHost: x\r\n\r\n"
    b"GET /second-%d HTTP/1.1\r\nHost: x\r\n\r\n",
    "body of GET": b"GET /open-%d HTTP/1.1\r\nHost: x\r\n" + LONG + b"\r\n" + HIDDEN,
    "folded field": post(b"X: y\r\n Content-Length: 36\r\nContent-Length: 0\r\n", HIDDEN),
    "NUL in a name": post(b"Content-\0Length: 36\r\n", HIDDEN),
    "NUL in a value": post(b"X: \0\r\nContent-Length: 36\0\r\n", HIDDEN),
    "two hosts": post(b"Host: y\r\nContent-Length: 0\r\n", b""),
    "absolute form of another host": b"GET http://y/open-%d HTTP/1.1\r\nHost: x\r\n\r\n",
    "absolute form": b"GET http://x/open-%d HTTP/1.1\r\nHost: x\r\n\r\n",
    "space in target": b"GET /open-%d HTTP/1.1 /hidden-%d HTTP/1.1\r\nHost: x\r\n\r\n",
    "field in the request line": b"GET /open-%d HTTP/1.1\rContent-Length: 36\r\nHost: x\r\n\r\n"
    + HIDDEN,
    "upgrade": b"GET /open-%d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, Content-Length\r\n"
    b"Upgrade: websocket\r\n" + LONG + b"\r\n" + HIDDEN,
    "behind a handshake": b"GET /open-%d HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" + HIDDEN,
}


@contextmanager
def proxy(kind: str, home: Path, back: Path) -> Iterator[tuple[Address, Path]]:
    """Run a proxy in front of a unix socket; yields its address and its log."""
    front, log = home / f"{kind}.sock", home / f"{kind}.log"
    if kind == "nginx":
        command = nginx.command(home, NGINX.format(front=front, back=back), f"{log} target")
    else:
        config = home / "haproxy.conf"
        config.write_text(HAPROXY.format(front=front, back=back))
        command = ["haproxy", "-db", "-f", str(config)]
    log.touch()
    with (
        log.open("ab") as output,
        subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL) as process,
    ):
        try:
            address = Address(f"unix:{front}")
            wait_for(lambda: listens(address), f"{kind} to listen")
            yield address, log
        finally:
            process.terminate()


def targets(log: Path) -> Counter[str]:
    """Count the marks of the requests in a log; a mark that is in no target is not one."""
    return Counter(re.findall(r"^\S+ \S*?(/[a-z]+-\d+)", log.read_text("latin-1"), re.M))


def send(front: Address, probe: bytes) -> None:
    """Send a probe and read what there is to read until the proxy ends it, or a moment passes."""
    with front.connect(0.3) as client:
        try:
            client.sendall(probe)
            while client.recv(65536):
                pass
        except OSError:
            return  # refused and reset, or kept open: the logs tell what was seen


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
@pytest.mark.parametrize("worker", WORKERS)
def test_one_request_is_never_two(serve: Serve, tmp_path: Path, worker: str, kind: str) -> None:
    if shutil.which(kind) is None:
        pytest.skip(f"{kind} is not installed")
    (tmp_path / "recording.py").write_text(APP)
    record = tmp_path / "record"
    back = tmp_path / "back.sock"
    server = serve(
        *("-k", worker, f"recording:{'asgi' if worker == 'asgi' else 'app'}"),
        bind=(f"unix:{back}",),
        cwd=tmp_path,
        env={"RECORD": str(record)},
    )
    with proxy(kind, tmp_path, back) as (front, log):
        for number, probe in enumerate(PROBES.values(), FIRST):
            send(front, probe.replace(b"%d", str(number).encode()))
            # Whatever was left on a connection of the proxy's would begin this one.
            assert front.request("GET", f"/after-{number}").status == 200
        last = f"/after-{FIRST + len(PROBES) - 1}"
        wait_for(lambda: targets(log)[last], "the last request in the proxy's log")
        beyond = targets(record) - targets(log)
        assert beyond == Counter(), [
            list(PROBES)[int(mark.split("-")[1]) - FIRST] for mark in beyond
        ]
        # Good messages have passed, so that the probes have met the server.
        names = list(PROBES)
        for name in ("chunk extension", "pipelined", "absolute form"):
            assert targets(record)[f"/open-{FIRST + names.index(name)}"] == 1, name
    server.stop()
