"""Measure the parts of a request's way that need no socket: parser, environ, cycle; see README.md.

Each figure is the best of some rounds, in turns, so that other processes of the machine disturb
all of them alike. To compare with another checkout, name it in PYTHONPATH.
"""

from __future__ import annotations

import argparse
import json
import platform
import socket
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from time import perf_counter
from typing import Any

import pluggy

import corn_core
from corn_core import hookspecs
from corn_core.config import DEFAULT, Config
from corn_core.extensions.hooks import Hooks
from corn_core.http import Limits, Request, RequestParser
from corn_core.logs import SETTINGS as LOG_SETTINGS
from corn_core.logs import Logger
from corn_core.net import Listener, TcpAddress
from corn_core.process.scoreboard import Scoreboard
from corn_core.wsgi import ConnectionInfo, EnvironBuilder, RequestBody, RequestCycle, empty_body
from corn_core.wsgi.environ import SETTINGS as ENVIRON_SETTINGS

LIMITS = Limits()

SIZE = 256
"""Requests in a round."""

HELLO = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n"
BROWSER = (
    b"GET /catalogue/lamps?page=4 HTTP/1.1\r\nHost: shop.example.com\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8\r\n"
    b"Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
    b"Referer: https://shop.example.com/catalogue/lamps?page=3\r\n"
    b"Cookie: session=3b1f9a6c77d04c0f; theme=dark; consent=yes\r\nDNT: 1\r\n"
    b"Upgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\n"
    b"Cache-Control: max-age=0\r\n\r\n"
)
BODY = b"x" * 10_240
POST = b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(BODY)
FIRST_READ = 1024
"""Octets of a body that come in one segment with its head, as a client's library sends them."""
BLOCKS = [b"y" * 100] * 100


def proxied(number: int, chance: Random) -> bytes:
    """Make a head with the fields that a proxy passes on of a browser, some of them its own."""
    session, trace = chance.randbytes(20).hex(), chance.randbytes(16).hex()
    client = f"203.0.113.{number % 250}"
    lines = (
        *(f"GET /items/{number}?ref={trace[:4]} HTTP/1.1", "Host: shop.example.com"),
        *(f"X-Request-Id: {trace}", f"X-Real-IP: {client}", f"X-Forwarded-For: {client}, 10.0.0.9"),
        *("X-Forwarded-Proto: http", "Accept-Encoding: gzip, deflate, br, zstd"),
        f"User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:{number}.0) Gecko/20100101 Firefox/128.0",
        *("Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "Accept-Language: en-GB,en"),
        *(f"Referer: https://shop.example.com/items/{session[:6]}", f"Traceparent: 00-{trace}-01"),
        f"Cookie: session={session}; theme=dark; csrftoken={session[::-1]}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


def differing(number: int, chance: Random) -> bytes:
    """Make a head of twelve fields of which none is the same as in another one."""
    lines = [f"GET /items/{number} HTTP/1.1", f"Host: shop{number}.example.com"]
    lines += [f"X-Field-{letter}: {chance.randbytes(18).hex()}" for letter in "ABCDEFGHIJK"]
    return "\r\n".join([*lines, "", ""]).encode()


class Sink:
    """Takes a response as a socket that is never full, and forgets it."""

    def send(self, data: bytes) -> None:
        """Take some of it."""

    def send_file(self, fd: int, offset: int, count: int) -> None:
        """Take a part of a file."""

    def abort(self) -> None:
        """End the connection."""


@dataclass
class Worker:
    """As much of a worker as the cycle needs."""

    log: Any
    hooks: Any
    slot: Any
    aborted: bool = False


def hello(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World!"]


def reading(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    environ["wsgi.input"].read()
    return hello(environ, start_response)


def streaming(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return iter(BLOCKS)


class Bench:
    """Runs requests through corn's real parts, with nothing behind them."""

    def __init__(self) -> None:
        settings = {setting.name: setting for setting in (*LOG_SETTINGS, *ENVIRON_SETTINGS)}
        defaults = {name: setting.default for name, setting in settings.items()}
        config = Config(settings, defaults, dict.fromkeys(settings, DEFAULT))
        self.log = Logger(config)
        manager = pluggy.PluginManager("corn")
        manager.add_hookspecs(hookspecs)
        hooks = Hooks(manager)
        board = Scoreboard(1)
        self.worker: Any = Worker(self.log, hooks, board.slot(board.allocate()))
        self.builder = EnvironBuilder(config, self.log, multithread=True, variables={})
        # Only its address is asked for.
        self.listener = Listener(TcpAddress("127.0.0.1", 0), socket.create_server(("127.0.0.1", 0)))

    def connection(self) -> ConnectionInfo:
        return ConnectionInfo(self.listener, ("127.0.0.1", 54321), object())

    def parse(self, heads: list[bytes], connections: int = 1) -> None:
        """Parse heads that come over so many connections, one after another."""
        share = len(heads) // connections
        for start in range(0, len(heads), share):
            parser = RequestParser(LIMITS)
            for head in heads[start : start + share]:
                parser.feed(head)
                parser.next_request()

    def environ(self, requests: list[Request]) -> None:
        body, connection = empty_body(), self.connection()
        for request in requests:
            self.builder.build(request, body, connection)

    def cycle(self, app: Any) -> Callable[[list[bytes]], None]:
        """Return what answers requests without a body."""
        run = RequestCycle(self.worker, app, builder=self.builder, send_file_allowed=True).run

        def answer(heads: list[bytes]) -> None:
            parser, sink, connection = RequestParser(LIMITS), Sink(), self.connection()
            body = empty_body()
            for head in heads:
                parser.feed(head)
                request = parser.next_request()
                assert request is not None
                run(request, body, connection, sink, True)

        return answer

    def post(self, requests: list[bytes]) -> None:
        """Answer requests whose bodies come in two reads each."""
        cycle = RequestCycle(self.worker, reading, builder=self.builder, send_file_allowed=True)
        parser, sink, connection = RequestParser(LIMITS), Sink(), self.connection()
        for data in requests:
            parser.feed(data[: len(POST) + FIRST_READ])
            request = parser.next_request()
            assert request is not None
            body = RequestBody(None)
            _take(parser, body)
            parser.feed(data[len(POST) + FIRST_READ :])
            _take(parser, body)
            body.finish()
            cycle.run(request, body, connection, sink, True)


def _take(parser: RequestParser, body: RequestBody) -> None:
    while data := parser.read_body():
        body.append(data)


Scenario = tuple[str, Callable[[], None]]


def parsed(heads: list[bytes]) -> list[Request]:
    requests = []
    for head in heads:
        parser = RequestParser(LIMITS)
        parser.feed(head)
        request = parser.next_request()
        assert request is not None
        requests.append(request)
    return requests


def scenarios(bench: Bench) -> list[Scenario]:
    chance = Random(12)
    same = [BROWSER] * SIZE
    behind = [proxied(number, chance) for number in range(SIZE)]
    other = [differing(number, chance) for number in range(SIZE)]
    requests, hellos = parsed(behind), parsed([HELLO] * SIZE)
    answer, stream = bench.cycle(hello), bench.cycle(streaming)
    return [
        ("parse: hello", lambda: bench.parse([HELLO] * SIZE)),
        ("parse: hello, new connections", lambda: bench.parse([HELLO] * SIZE, SIZE)),
        ("parse: browser, the same", lambda: bench.parse(same)),
        ("parse: browser, new connections", lambda: bench.parse(same, SIZE)),
        ("parse: 12 fields behind a proxy", lambda: bench.parse(behind)),
        ("parse: 12 fields, all differ", lambda: bench.parse(other)),
        ("environ: hello", lambda: bench.environ(hellos)),
        ("environ: 12 fields behind a proxy", lambda: bench.environ(requests)),
        ("request: hello", lambda: answer([HELLO] * SIZE)),
        ("request: browser, the same", lambda: answer(same)),
        ("request: 12 fields behind a proxy", lambda: answer(behind)),
        ("request: POST of 10 kB", lambda: bench.post([POST + BODY] * SIZE)),
        ("request: 100 blocks, streamed", lambda: stream([HELLO] * SIZE)),
    ]


def measure(chosen: list[Scenario], rounds: int) -> dict[str, list[float]]:
    """Return the microseconds per request of each round, by scenario."""
    found: dict[str, list[float]] = {name: [] for name, _ in chosen}
    for _ in range(rounds):
        for name, act in chosen:
            started = perf_counter()
            act()
            found[name].append((perf_counter() - started) / SIZE * 1e6)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="measure only scenarios with one of these words")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="print all figures as JSON")
    arguments = parser.parse_args()
    words = arguments.words or [""]
    chosen = [one for one in scenarios(Bench()) if any(word in one[0] for word in words)]
    found = measure(chosen, arguments.rounds)
    if arguments.json:
        print(json.dumps({"python": platform.python_version(), "microseconds": found}))
        return
    print(f"CPython {platform.python_version()}, corn of {corn_core.__path__[0]}")
    print(f"{'microseconds per request':36} {'best':>7} {'median':>7}")
    for name, figures in found.items():
        print(f"{name:36} {min(figures):7.2f} {statistics.median(figures):7.2f}")


if __name__ == "__main__":
    main()
