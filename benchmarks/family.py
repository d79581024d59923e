"""Compare corn's workers with the peers that each of them has; see README.md.

Prints a Markdown table. Takes about eight minutes; nothing runs longer than its bound.
"""

from __future__ import annotations

import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from measure import (
    LOAD_CORE,
    Failed,
    comparison,
    figures,
    memory,
    read_arguments,
    run,
    running,
    wrk_command,
)
from mixed import SLOW
from servers import ROOT, Server, install, version

CONNECTIONS = 64
IDLE_CONNECTIONS = 1000
THREADS = 32

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

PLUGINS = ("sync", "gthread", "greenlets", "gevent", "eventlet", "asyncio", "tornado", "aiohttp")
"""The distributions of the workers, and those that they share."""


def corn(worker: str, *options: str, app: str = "mixed:app") -> Server:
    """corn with one worker of a class."""
    places = tuple(str(ROOT / "plugins" / f"corn-{name}") for name in PLUGINS)
    command = ("corn", "--bind", "127.0.0.1:{port}", "-k", worker, "--keep-alive", "75")
    # A later flag wins.
    arguments = (*command, "--workers", "1", *options, app)
    return Server(f"corn {worker}", (str(ROOT), *places), arguments, True, home="corn-family")


def gunicorn(worker: str, *options: str, app: str = "mixed:app") -> Server:
    command = ("gunicorn", "--bind", "127.0.0.1:{port}", "-k", worker, "--keep-alive", "75")
    arguments = (*command, "--workers", "1", *options, app)
    requirements = ("gunicorn", "gevent", "tornado", "packaging")
    return Server(f"gunicorn {worker}", requirements, arguments, home="gunicorn-family")


def granian(threads: int = 1, app: str = "mixed:app") -> Server:
    command = ("granian", "--interface", "wsgi", "--http", "1", "--host", "127.0.0.1")
    options = ("--port", "{port}", "--workers", "1", "--blocking-threads", str(threads))
    return Server("granian wsgi", ("granian",), (*command, *options, app), home="granian")


Figures = dict[str, float]
"""What one round gave, by the name of the figure."""


@dataclass(frozen=True)
class Bar:
    """A figure that should be at least, or at most, so many times the peer's.

    :param figure: the name of it, among those that the round gives.
    """

    figure: str
    times: float
    at_most: bool = False


@dataclass(frozen=True)
class Scenario:
    """One comparison; a peer may also be a number, the ideal.

    :param measure: one round against a server; starts and stops it.
    """

    name: str
    own: Server
    peer: Server | float
    measure: Callable[[Server, int], Figures]
    bars: tuple[Bar, ...]


def hello(server: Server, seconds: int) -> Figures:
    return _load(server, seconds)


def browser(server: Server, seconds: int) -> Figures:
    return _load(server, seconds, fields=BROWSER)


def sleeping(server: Server, seconds: int) -> Figures:
    return _load(server, seconds, path="/slow")


def _load(server: Server, seconds: int, path: str = "/", fields: tuple[str, ...] = ()) -> Figures:
    with running(server) as (_, port, _):
        command = wrk_command(port, seconds, CONNECTIONS, path, fields)
        run(wrk_command(port, 1, CONNECTIONS, path, fields), 1)
        rate, errors = figures(run(command, seconds))
        return {"requests/s": rate, "errors": errors}


def beside(server: Server, seconds: int) -> Figures:
    """Fast requests on 32 connections, and beside them slow ones on 16."""
    with running(server) as (_, port, _):
        slow = subprocess.Popen(
            wrk_command(port, seconds + 2, 16, "/slow"), stdout=subprocess.PIPE, text=True
        )
        try:
            run(wrk_command(port, 1, 32), 1)
            fast_rate, fast_errors = figures(run(wrk_command(port, seconds, 32), seconds))
            report, _ = slow.communicate(timeout=seconds + 30)
        finally:
            slow.kill()
            slow.wait()
        slow_rate, slow_errors = figures(report)
        errors = fast_errors + slow_errors
        return {"fast requests/s": fast_rate, "slow requests/s": slow_rate, "errors": errors}


def balance(server: Server, seconds: int) -> Figures:
    """Measure how unevenly workers are loaded: the most requests of one by the fewest."""
    with tempfile.TemporaryDirectory() as directory:
        with running(server, {"COUNTS": directory}) as (_, port, _):
            rate, errors = figures(run(wrk_command(port, seconds, CONNECTIONS), seconds))
        counts = [int(file.read_text()) for file in Path(directory).iterdir()]
    # The master has imported nothing, so that every file is a worker's.
    uneven = max(counts) / max(1, min(counts)) if counts else float("inf")
    return {"max/min": uneven, "workers": len(counts), "requests/s": rate, "errors": errors}


def idle(server: Server, seconds: int) -> Figures:
    """Measure the cost of 1,000 keep-alive connections that have had one response each."""
    request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with running(server) as (session, port, _), ExitStack() as clients:
        before = memory(session)
        sockets = []
        for _ in range(IDLE_CONNECTIONS):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", port)))
            client.settimeout(10)
            client.sendall(request)
            if not client.recv(65536).startswith(b"HTTP/1.1 200"):
                raise Failed("an idle connection had no response")
            sockets.append(client)
        after = memory(session)
        for client in sockets:
            # They are all still open, or it was not them that were measured.
            client.sendall(request)
            if not client.recv(65536).startswith(b"HTTP/1.1 200"):
                raise Failed("an idle connection was closed")
        return {"MiB": after, "MiB more": after - before}


RATE = "requests/s"
SCENARIOS = (
    Scenario("gthread, hello", corn("gthread"), granian(), hello, (Bar(RATE, 1.1),)),
    Scenario("gthread, hello", corn("gthread"), gunicorn("gthread"), hello, (Bar(RATE, 8),)),
    Scenario("gthread, 12 fields", corn("gthread"), granian(), browser, (Bar(RATE, 1.0),)),
    Scenario(
        "gthread, 32 threads, 50 ms",
        corn("gthread", "--threads", str(THREADS)),
        THREADS / SLOW,
        sleeping,
        (Bar(RATE, 0.95),),
    ),
    Scenario(
        "gthread, fast beside slow",
        corn("gthread", "--threads", str(THREADS)),
        gunicorn("gthread", "--threads", str(THREADS)),
        beside,
        (Bar("fast requests/s", 5), Bar("slow requests/s", 0.9)),
    ),
    Scenario("gevent, hello", corn("gevent"), gunicorn("gevent"), hello, (Bar(RATE, 4),)),
    Scenario("tornado, hello", corn("tornado"), gunicorn("tornado"), hello, (Bar(RATE, 5),)),
    Scenario("aiohttp, hello", corn("aiohttp"), gunicorn("tornado"), hello, (Bar(RATE, 3),)),
    Scenario("eventlet, hello", corn("eventlet"), gunicorn("gevent"), hello, (Bar(RATE, 2),)),
    Scenario(
        "gthread, 4 workers",
        corn("gthread", "--workers", "4", app="mixed:counted()"),
        1.0,
        balance,
        (Bar("max/min", 1.5, at_most=True),),
    ),
    Scenario(
        "gthread, 1,000 idle",
        corn("gthread"),
        granian(),
        idle,
        (Bar("MiB", 1.0, at_most=True), Bar("MiB more", 1.0, at_most=True)),
    ),
)


def main() -> int:
    """Install, measure and print; the exit status is 1 when that cannot be done."""
    parser = comparison(__doc__, rounds=3, seconds=4)
    parser.add_argument("words", nargs="*", help="only scenarios with one of these words")
    options = read_arguments(parser)
    chosen = [
        scenario
        for scenario in SCENARIOS
        if not options.words or any(word in scenario.name for word in options.words)
    ]
    broken = prepare(each for scenario in chosen for each in servers_of(scenario))
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    allow_descriptors(IDLE_CONNECTIONS * 2)
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}")
    print("\n| | against | figure | corn | peer | ratio | bar | spread of corn | errors |")
    print("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for scenario in chosen:
        if broken.isdisjoint(servers_of(scenario)):
            for row in rows(scenario, options.rounds, options.seconds):
                print(row, flush=True)
    return 0


def servers_of(scenario: Scenario) -> list[Server]:
    return [each for each in (scenario.own, scenario.peer) if isinstance(each, Server)]


def prepare(servers: Iterable[Server]) -> set[Server]:
    """Install servers, each once; returns those that could not be installed."""
    broken, homes = set(), set()
    for server in dict.fromkeys(servers):
        if server.environment in homes:
            continue
        problem = install(server)
        if problem is None:
            homes.add(server.environment)
            print(f"{server.environment.name}: {version(server)}", file=sys.stderr)
        else:
            print(f"leaving out {server.name}: {problem}", file=sys.stderr)
            broken.add(server)
    return broken


def allow_descriptors(wanted: int) -> None:
    """Raise the limit of open files, also for the servers that are started from here."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def rows(scenario: Scenario, rounds: int, seconds: int) -> Iterator[str]:
    """Measure in turns, and say what came of it, a row for each bar."""
    own: list[Figures] = []
    peer: list[Figures] = []
    try:
        for _ in range(rounds):
            own.append(scenario.measure(scenario.own, seconds))
            if isinstance(scenario.peer, Server):
                peer.append(scenario.measure(scenario.peer, seconds))
    except Failed as problem:
        yield f"| {scenario.name} | failed: {problem} | | | | | | | |"
        return
    name = scenario.peer.name if isinstance(scenario.peer, Server) else "the ideal"
    errors = sum(round_.get("errors", 0) for round_ in [*own, *peer])
    for bar in scenario.bars:
        ours = [round_[bar.figure] for round_ in own]
        theirs = [round_[bar.figure] for round_ in peer] or [float(str(scenario.peer))]
        mine, other = statistics.median(ours), statistics.median(theirs)
        ratio = mine / other if other else float("inf")
        kept = ratio <= bar.times if bar.at_most else ratio >= bar.times
        verdict = f"{'≤' if bar.at_most else '≥'} {bar.times:g}{'' if kept else ' MISSED'}"
        spread = f"{min(ours):,.6g} - {max(ours):,.6g}"
        yield (
            f"| {scenario.name} | {name} | {bar.figure} | {mine:,.6g} | {other:,.6g} "
            f"| {ratio:.2f} | {verdict} | {spread} | {errors:g} |"
        )


if __name__ == "__main__":
    sys.exit(main())
