"""Running one server on one core, and what is measured of it. Linux only: reads /proc."""

from __future__ import annotations

import argparse
import os
import re
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from servers import HERE, Server, missing_tools

SERVER_CORE, LOAD_CORE = "0", "1"
START_LIMIT = 20.0  # seconds a server may take to answer for the first time
STOP_LIMIT = 10.0  # seconds it may take to stop after SIGTERM
TICKS = os.sysconf("SC_CLK_TCK")
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


class Failed(Exception):
    """A server did not start, stop or answer as it should."""


def comparison(about: str | None, rounds: int, seconds: int) -> argparse.ArgumentParser:
    """Make a parser with the arguments that comparisons have, and these defaults."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=rounds, help="rounds of each server")
    parser.add_argument("--seconds", type=int, default=seconds, help="seconds of load in a round")
    return parser


def read_arguments(parser: argparse.ArgumentParser, *tools: str) -> argparse.Namespace:
    """Parse the command line.

    :param tools: what the comparison needs beside wrk and taskset.
    :raises SystemExit: with status 1 when something that it needs is missing.
    """
    options = parser.parse_args()
    if missing := missing_tools(*tools):
        needed = ", ".join(("two cores", "wrk", "taskset", *tools))
        raise SystemExit(f"needs {needed}; missing: {missing}")
    return options


@dataclass(frozen=True)
class Load:
    """The results of one round of load."""

    rate: float  # requests per second
    per_cpu_second: float  # requests per second of CPU time of the server's processes
    errors: int  # socket errors and responses that were not 2xx or 3xx
    memory: float  # PSS of all the server's processes afterwards, in MiB


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    server: Server, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[int, int, float]]:
    """Start the server; yield its session, its port and the seconds to its first response.

    The server leads a session of its own, so that its processes can be told
    from all others, and only they are ended.
    """
    port = free_port()
    command = ["taskset", "-c", SERVER_CORE, *server.arguments(port)]
    started = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=HERE,
            env={**os.environ, **(environ or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            if not _first_response(process, port, started + START_LIMIT, server.tls):
                raise Failed(f"no first response: {_last_line(errors)}")
            yield process.pid, port, time.perf_counter() - started
        finally:
            _stop(process)


def _connect(port: int, tls: bool) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=START_LIMIT)
    if not tls:
        return client
    context = ssl.create_default_context()
    # The certificate was made for this run, and nothing secret is sent.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(client)


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").splitlines()
    return lines[-1] if lines else "it says nothing"


def _first_response(
    process: subprocess.Popen[bytes], port: int, deadline: float, tls: bool
) -> bool:
    """Ask until the server answers; False when it ends instead, or takes too long."""
    while time.perf_counter() < deadline and process.poll() is None:
        try:
            with _connect(port, tls) as client:
                client.sendall(REQUEST)
                if client.recv(65536).startswith(b"HTTP/1.1 200"):
                    return True
        except OSError:
            pass  # not listening yet
        time.sleep(0.0005)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_LIMIT)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # the whole group is gone, as it should be
    process.wait()


def members(session: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield a session's processes: their /proc directories and fields 3.. of their stat."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            # The command's name, in parentheses, may contain anything.
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended while we looked
        if int(fields[3]) == session:
            yield directory, fields


def cpu_seconds(session: int) -> float:
    """User and system time of the session's processes so far."""
    return sum(int(stat[11]) + int(stat[12]) for _, stat in members(session)) / TICKS


def memory(session: int) -> float:
    """Proportional set size of the session's processes, in MiB."""
    total = 0
    for directory, _ in members(session):
        rollup = (directory / "smaps_rollup").read_text()
        total += sum(int(size) for size in re.findall(r"^Pss:\s+(\d+) kB", rollup, re.M))
    return total / 1024


def wrk_command(
    port: int, seconds: int, connections: int, path: str = "/", fields: Sequence[str] = ()
) -> list[str]:
    """Return the command that generates the load, on the load's core."""
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    for field in fields:
        command += ["-H", field]
    return [*command, f"http://127.0.0.1:{port}{path}"]


def wrk(port: int, seconds: int, connections: int) -> str:
    """Put the load on: a new connection for each request."""
    return run(wrk_command(port, seconds, connections, fields=["Connection: close"]), seconds)


def run(command: list[str], seconds: int) -> str:
    """Run a load that takes so many seconds; returns its report."""
    return subprocess.check_output(command, text=True, timeout=seconds + 30)


def figures(report: str) -> tuple[float, int]:
    """Requests per second, and errors: socket errors and responses that were not 2xx or 3xx."""
    errors = re.findall(r"(?:connect|read|write|timeout|responses:) (\d+)", report)
    return _number(r"Requests/sec:\s+([\d.]+)", report), sum(map(int, errors))


def load(server: Server, seconds: int, connections: int) -> Load:
    """Do one round: start the server, warm it up, measure it, stop it."""
    with running(server) as (session, port, _):
        wrk(port, 1, connections)
        before = cpu_seconds(session)
        report = wrk(port, seconds, connections)
        spent = cpu_seconds(session) - before
        requests = _number(r"(\d+) requests in", report)
        if not requests or not spent:
            raise Failed("answered nothing under load")
        rate, errors = figures(report)
        return Load(rate, requests / spent, errors, memory(session))


def first_response(server: Server) -> float:
    """Seconds from starting the command to the end of the first response."""
    with running(server) as (_, _, seconds):
        return seconds


def _number(pattern: str, report: str) -> float:
    found = re.search(pattern, report)
    return float(found[1]) if found else 0.0
