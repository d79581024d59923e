"""The scenarios, and how each is measured."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from measure import (
    SERVER_CORE,
    Failed,
    Found,
    Running,
    cpu_by_process,
    cpu_seconds,
    figures,
    memory,
    wrk,
    wrk_command,
)
from servers import FOUR, HERE, LOG, TLS
from websockets_load import check_echo, echo, open_sockets

CONNECTIONS = 64
MANY = 1000

BROWSER = (
    "Host: shop.example.com",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3",
    "Accept-Encoding: gzip, deflate, br, zstd",
    "Referer: https://shop.example.com/catalogue/lamps?page=3",
    "Cookie: session=3b1f9a6c77d04c0f; theme=dark; consent=yes",
    "DNT: 1",
    "Upgrade-Insecure-Requests: 1",
    "Sec-Fetch-Dest: document",
    "Sec-Fetch-Mode: navigate",
    "Cache-Control: max-age=0",
)
"""The twelve fields of a browser's request."""
BROWSER_FLAGS = tuple(part for field in BROWSER for part in ("-H", field))

Measure = Callable[[Running, int], Found]


def requests(path: str = "/", *arguments: str, connections: int = CONNECTIONS) -> Measure:
    """Return what measures a load of wrk."""

    def measure(server: Running, seconds: int) -> Found:
        before = cpu_seconds(server.session)
        found = wrk(server, seconds, path, connections, *arguments)
        spent = cpu_seconds(server.session) - before
        return {**found, "per_cpu": found["rate"] * seconds / spent}

    return measure


def script(name: str) -> tuple[str, ...]:
    return ("-s", str(HERE / "load" / name))


def beside(server: Running, seconds: int) -> Found:
    """Measure fast requests on 32 connections, and beside them slow ones on 16."""
    command = wrk_command(server, seconds + 1, "/slow", 16)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as slow:
        try:
            found = wrk(server, seconds, "/", 32)
            report, _ = slow.communicate(timeout=seconds + 30)
        finally:
            slow.kill()
    others = figures(report)
    errors = {name: found[name] + others[name] for name in ("errors", "timeouts")}
    return {**found, "slow": others["rate"], **errors}


def busy(server: Running, seconds: int) -> Found:
    """Measure hello world while a busy loop shares the server's core."""
    with busy_loop():
        return requests()(server, seconds)


@contextmanager
def busy_loop() -> Iterator[None]:
    loop = [sys.executable, "-c", "while True: pass"]
    process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *loop])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def balance(server: Running, seconds: int) -> Found:
    """Measure how unevenly four workers are loaded: the most processor time by the least."""
    before = cpu_by_process(server.session)
    found = wrk(server, seconds, "/", CONNECTIONS)
    after = cpu_by_process(server.session)
    spent = sorted(after[process] - before.get(process, 0) for process in after)
    # What is left out are processes that only look after the workers.
    least, *_, most = spent[-4:]
    if not least:
        raise Failed("one of its workers was left without work")
    return {**found, "uneven": most / least}


def idle(server: Running, seconds: int) -> Found:
    """Measure the memory of 1,000 keep-alive connections that have had one response each."""
    before = memory(server.session)
    with ExitStack() as clients:
        sockets = []
        for _ in range(MANY):
            client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
            sockets.append(clients.enter_context(client))
            _ask(client)
        after = memory(server.session)
        for client in sockets:
            # They are all still open, or it was not them that were measured.
            _ask(client)
    return {"mib": after, "more": after - before}


def _ask(client: socket.socket) -> None:
    client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = b""
    while not answer.endswith(b"Hello, World!"):
        data = client.recv(65536)
        if not data:
            raise Failed("an idle connection was closed")
        answer += data
    if not re.match(rb"HTTP/1.1 200", answer):
        raise Failed(f"an idle connection had {answer[:50]!r}")


def messages(server: Running, seconds: int) -> Found:
    """Measure the echo of messages on WebSockets."""
    before = cpu_seconds(server.session)
    count = echo(server.port, CONNECTIONS, seconds)
    return {
        "rate": count / seconds,
        "per_cpu": count / (cpu_seconds(server.session) - before),
    }


def idle_sockets(server: Running, seconds: int) -> Found:
    """Measure the memory of WebSockets on which nothing happens."""
    before = memory(server.session)
    with ExitStack() as clients:
        sockets = open_sockets(server.port, MANY, clients)
        after = memory(server.session)
        for client in sockets:
            # They are all still open, or it was not them that were measured.
            check_echo(client)
    return {"mib": after, "more": after - before}


def start(server: Running, seconds: int) -> Found:
    """Tell how long the first response took, and the memory after it."""
    return {"start": server.start * 1000, "mib": memory(server.session)}


@dataclass(frozen=True)
class Scenario:
    """One thing that is measured of servers.

    Scenarios with the same application and feature are measured one after another on the same
    process, in the order of the table.

    :param measure: measures a server that runs, for so many seconds if it is a load.
    :param app: the module of the application; ``shapes`` is there for WSGI and ASGI.
    :param feature: what servers must have options for.
    :param group: the servers that it is for.
    :param figures: those that servers are compared by.
    :param times: so many times the seconds of a load are spent on it; 0 if it is none.
    :param quick: whether ``make bench ARGS=quick`` has it.
    """

    name: str
    measure: Measure
    app: str = "shapes"
    feature: str = ""
    group: str = ""
    figures: tuple[str, ...] = ("rate", "per_cpu")
    times: int = 1
    quick: bool = False


SCENARIOS = (
    # First, because they are about servers that have had no load.
    Scenario("first response, PSS", start, figures=("start", "mib"), times=0, quick=True),
    Scenario("1,000 idle connections", idle, group="threads", figures=("mib", "more"), times=0),
    Scenario("1,000 idle WebSockets", idle_sockets, group="asgi", figures=("mib", "more"), times=0),
    Scenario("hello", requests(), quick=True),
    Scenario("the same 12 fields", requests("/", *BROWSER_FLAGS)),
    Scenario("12 fields that differ", requests("/", *script("differ.lua")), quick=True),
    Scenario("POST of 10 kB", requests("/", *script("post.lua")), quick=True),
    Scenario("streamed, 100 blocks", requests("/streamed")),
    Scenario("response of 1 MiB", requests("/mebibyte")),
    Scenario("new connections", requests("/", "-H", "Connection: close")),
    Scenario("fast beside slow", beside, group="overlapping", figures=("rate", "slow"), quick=True),
    Scenario("32 threads, 50 ms", requests("/slow"), group="threads"),
    Scenario("busy core", busy, group="workers"),
    # wrk calls it a timeout when an answer takes two seconds.
    Scenario(
        "1,000 connections", requests(connections=MANY), figures=("rate", "per_cpu", "p99"), times=3
    ),
    Scenario("WebSocket echo", messages, group="asgi"),
    Scenario("TLS", requests(), feature=TLS),
    Scenario("access log to a file", requests(), feature=LOG),
    Scenario("Flask", requests(), app="flask_hello", group="wsgi"),
    Scenario("Django", requests(), app="django_hello", group="wsgi"),
    Scenario("FastAPI", requests(), app="fastapi_hello", group="asgi"),
    Scenario("four workers", balance, feature=FOUR, group="threads", figures=("uneven",)),
)
