"""Judge corn by its bars: how fast it should be beside its peers, in one run; see README.md.

Prints a Markdown table, and exits with status 1 when a bar was missed. Takes about twenty minutes;
nothing runs longer than its bound.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import family
from measure import (
    LOAD_CORE,
    SERVER_CORE,
    Failed,
    comparison,
    cpu_seconds,
    figures,
    first_response,
    memory,
    read_arguments,
    run,
    running,
)
from servers import HERE, Server

CONNECTIONS = 64
MANY = 1000
THREADS = ("--threads", "32")
WARM_UP = 1
FAR = 2
"""A peer that is to be beaten by so many times is measured for a second in each round."""
FRAMEWORKS = ("flask", "django")
SHAPES = "shapes:app"
CERTIFICATE, KEY = "certificate.pem", "key.pem"

BROWSER = tuple(part for field in family.BROWSER for part in ("-H", field))
DIFFER = ("-s", str(HERE / "load" / "differ.lua"))
POST = ("-s", str(HERE / "load" / "post.lua"))
CLOSE = ("-H", "Connection: close")


def corn(worker: str, *options: str, app: str = SHAPES) -> Server:
    threads = THREADS if worker == "gthread" else ()
    return _with_frameworks(family.corn(worker, *threads, *options, app=app), "corn-bars")


def granian(*options: str, app: str = SHAPES) -> Server:
    made = _with_frameworks(family.granian(int(THREADS[1]), app=app), "granian-bars")
    return dataclasses.replace(made, command=(*made.command[:-1], *options, app))


def gunicorn(worker: str) -> Server:
    return family.gunicorn(worker, app=SHAPES)


def _with_frameworks(server: Server, home: str) -> Server:
    return dataclasses.replace(server, requirements=(*server.requirements, *FRAMEWORKS), home=home)


@dataclass(frozen=True)
class Bar:
    """A comparison, and what it should come to.

    :param least: the fewest times of the peer's rate that are enough.
    :param busy: whether a busy loop shares the core of the servers.
    :param p99: whether the 99th percentile of the latency may be no worse than the peer's, and no
        request may time out.
    """

    name: str
    own: Server
    peer: Server
    least: float
    arguments: tuple[str, ...] = ()
    path: str = "/"
    connections: int = CONNECTIONS
    busy: bool = False
    p99: bool = False


def bars(directory: str) -> tuple[Bar, ...]:
    """Return all comparisons.

    :param directory: where the certificate is, and logs may be written.
    """
    gthread, rust, tornado = corn("gthread"), granian(), corn("tornado")
    certificate, key = f"{directory}/{CERTIFICATE}", f"{directory}/{KEY}"
    secure = corn("gthread", "--certfile", certificate, "--keyfile", key)
    secure_rust = granian("--ssl-certificate", certificate, "--ssl-keyfile", key)
    logged = corn("gthread", "--access-logfile", f"{directory}/access.log")
    cooperative = [
        bar
        for worker, peer in (
            ("gevent", "gevent"),
            ("eventlet", "gevent"),
            ("tornado", "tornado"),
            ("aiohttp", "tornado"),
        )
        for bar in (
            Bar(f"{worker}, hello", corn(worker), gunicorn(peer), 4),
            Bar(f"{worker}, fields that differ", corn(worker), gunicorn(peer), 2, DIFFER),
        )
    ]
    return (
        Bar("hello", gthread, rust, 1.0),
        Bar("the same 12 fields", gthread, rust, 1.05, BROWSER),
        Bar("12 fields that differ", gthread, rust, 0.85, DIFFER),
        Bar("POST of 10 kB", gthread, rust, 1.0, POST),
        Bar("streamed, 100 blocks", gthread, rust, 0.9, path="/streamed"),
        Bar("response of 1 MiB", gthread, rust, 1.2, path="/mebibyte"),
        Bar("Flask", corn("gthread", app="flask_hello:app"), granian(app="flask_hello:app"), 1.1),
        Bar(
            "Django", corn("gthread", app="django_hello:app"), granian(app="django_hello:app"), 1.05
        ),
        Bar("a new connection for each request", gthread, rust, 1.0, CLOSE),
        Bar("1,000 connections", gthread, rust, 1.1, connections=MANY, p99=True),
        Bar("TLS", _named(secure, "TLS"), _named(secure_rust, "TLS"), 1.0),
        Bar("access log to a file", _named(logged, "logging"), gthread, 0.8),
        Bar("beside the tornado worker", gthread, tornado, 0.9),
        Bar("the same, on a busy core", gthread, tornado, 0.9, busy=True),
        *cooperative,
    )


def _named(server: Server, addition: str) -> Server:
    tls = addition == "TLS"
    return dataclasses.replace(server, name=f"{server.name}, {addition}", tls=tls)


@dataclass
class Result:
    """The figures of one server in one comparison, by round."""

    rates: list[float] = dataclasses.field(default_factory=list)
    per_cpu: list[float] = dataclasses.field(default_factory=list)
    p99: list[float] = dataclasses.field(default_factory=list)
    errors: int = 0


def measure(bar: Bar, rounds: int, seconds: int) -> tuple[Result, Result]:
    """Put the load on both servers in turns, on new processes in each round.

    The same server is up to a third slower in one process than in another, whatever the load:
    where its memory lies, and the seed of its hashes, are not the same.
    """
    results = Result(), Result()
    if bar.least >= FAR:
        seconds = 1
    with ExitStack() as stack:
        if bar.busy:
            stack.enter_context(busy_loop())
        for _ in range(rounds):
            for server, result in zip((bar.own, bar.peer), results, strict=True):
                with running(server) as (session, port, _):
                    load(bar, server, port, WARM_UP)
                    before = cpu_seconds(session)
                    report = load(bar, server, port, seconds)
                    add(result, report, cpu_seconds(session) - before, seconds)
    return results


def load(bar: Bar, server: Server, port: int, seconds: int) -> str:
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{bar.connections}", "--latency"]
    scheme = "https" if server.tls else "http"
    url = f"{scheme}://127.0.0.1:{port}{bar.path}"
    return run([*command, f"-d{seconds}s", *bar.arguments, url], seconds)


def add(result: Result, report: str, spent: float, seconds: int) -> None:
    rate, errors = figures(report)
    if not rate or not spent:
        raise Failed("answered nothing under load")
    result.rates.append(rate)
    result.per_cpu.append(rate * seconds / spent)
    result.p99.append(percentile(report))
    result.errors += errors


UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def percentile(report: str) -> float:
    """Return the 99th percentile of the latency in seconds."""
    found = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", report)
    if found is None:
        raise Failed("wrk reports no latencies")
    return float(found[1]) * UNITS[found[2]]


@contextmanager
def busy_loop() -> Iterator[None]:
    """Keep the servers' core busy with something else."""
    loop = [sys.executable, "-c", "while True: pass"]
    process = subprocess.Popen(["taskset", "-c", SERVER_CORE, *loop])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Judgement:
    """A row of the table."""

    name: str
    peer: str
    own_figure: float
    peer_figure: float
    ratio: float
    bar: str
    kept: bool
    per_cpu: float | None = None
    spread: str = ""
    note: str = ""

    def row(self) -> str:
        per_cpu = "" if self.per_cpu is None else f"{self.per_cpu:.2f}"
        verdict = self.bar + ("" if self.kept else " MISSED")
        figures = f"{self.own_figure:,.5g} | {self.peer_figure:,.5g} | {self.ratio:.2f}"
        return (
            f"| {self.name} | {self.peer} | {figures} | {verdict} "
            f"| {self.spread} | {per_cpu} | {self.note} |"
        )


def judge(bar: Bar, own: Result, peer: Result) -> Judgement:
    mine, theirs = statistics.median(own.rates), statistics.median(peer.rates)
    kept, note = mine >= bar.least * theirs, ""
    if bar.p99:
        late, too = statistics.median(own.p99), statistics.median(peer.p99)
        kept = kept and late <= too and not own.errors
        note = f"p99 {late * 1e3:.0f} ms, peer's {too * 1e3:.0f} ms"
    if own.errors or peer.errors:
        note += f" errors {own.errors}, peer's {peer.errors}"
    ratios = [a / b for a, b in zip(own.rates, peer.rates, strict=True)]
    return Judgement(
        name=bar.name,
        peer=bar.peer.name,
        own_figure=mine,
        peer_figure=theirs,
        ratio=mine / theirs,
        bar=f"≥ {bar.least:g}",
        kept=kept,
        per_cpu=statistics.median(own.per_cpu) / statistics.median(peer.per_cpu),
        spread=f"{min(ratios):.2f} - {max(ratios):.2f}",
        note=note.strip(),
    )


def judge_size(rounds: int) -> Iterator[Judgement]:
    """Compare memory after a request, and the time until the first response, with Gunicorn's."""
    own, peer = family.corn("sync", app="hello:app"), family.gunicorn("sync", app="hello:app")
    sizes: tuple[list[float], list[float]] = [], []
    starts: tuple[list[float], list[float]] = [], []
    for _ in range(rounds):
        for index, server in enumerate((own, peer)):
            starts[index].append(first_response(server))
            with running(server) as (session, _, _):
                sizes[index].append(memory(session))
    for name, found, most in (("PSS, MiB", sizes, 1.0), ("first response, s", starts, 1.35)):
        mine, theirs = (statistics.median(each) for each in found)
        ratio = mine / theirs
        bar = f"≤ {most:g}"
        yield Judgement(name, peer.name, mine, theirs, ratio, bar, kept=ratio <= most)


def make_certificate(directory: str) -> None:
    """Make a certificate of its own; the load generator does not check it."""
    command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    options = ("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1")
    files = ("-keyout", f"{directory}/{KEY}", "-out", f"{directory}/{CERTIFICATE}")
    subprocess.run([*command, *options, *files], check=True, capture_output=True)


def optimised() -> str:
    """Say how the interpreter was built: without optimisation all that is Python is slower."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS"))
    if "--enable-optimizations" in arguments:
        return "built with --enable-optimizations"
    # A distribution may pass the flags of profile-guided optimisation by itself.
    return "built without --enable-optimizations, as far as its configuration says"


def main() -> int:
    parser = comparison(__doc__, rounds=5, seconds=2)
    parser.add_argument("words", nargs="*", help="only comparisons with one of these words")
    parser.add_argument("--json", type=Path, help="write what was found to this file, too")
    options = read_arguments(parser, "openssl")
    judgements: list[Judgement] = []
    with tempfile.TemporaryDirectory() as directory:
        make_certificate(directory)
        chosen = [
            bar
            for bar in bars(directory)
            if not options.words or any(word in bar.name for word in options.words)
        ]
        family.allow_descriptors(MANY * 2 + 100)
        broken = family.prepare(server for bar in chosen for server in (bar.own, bar.peer))
        os.sched_setaffinity(0, {int(LOAD_CORE)})
        print(f"{platform.python_implementation()} {platform.python_version()}, {optimised()};")
        print(f"load average before: {os.getloadavg()[0]:.1f}\n")
        print("| | peer | corn | peer | ratio | bar | ratio by round | per CPU second | |")
        print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
        for bar in chosen:
            if broken.isdisjoint((bar.own, bar.peer)):
                try:
                    found = judge(bar, *measure(bar, options.rounds, options.seconds))
                except Failed as problem:
                    print(f"| {bar.name} | failed: {problem} | | | | MISSED | | | |", flush=True)
                    continue
                judgements.append(found)
                print(found.row(), flush=True)
        if not options.words:
            for found in judge_size(options.rounds):
                judgements.append(found)
                print(found.row(), flush=True)
    if options.json:
        found_all = [dataclasses.asdict(judgement) for judgement in judgements]
        options.json.write_text(json.dumps(found_all, indent=2) + "\n")
    complete = len(judgements) >= len(chosen)
    return 0 if complete and all(judgement.kept for judgement in judgements) else 1


if __name__ == "__main__":
    sys.exit(main())
