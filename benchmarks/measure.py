"""Running one server on one core, and what is measured of it. Linux only: reads /proc."""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from servers import HERE, Server

SERVER_CORE, LOAD_CORE = "0", "1"
START_LIMIT = 20.0  # seconds a server may take to answer for the first time
STOP_LIMIT = 10.0  # seconds it may take to stop after SIGTERM
DESCRIPTORS = 4096  # more than twice the connections of any scenario
TICKS = os.sysconf("SC_CLK_TCK")
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}
"""Milliseconds of the units in wrk's report."""

Found = dict[str, float]
"""What one round gave, by the name of the figure."""


class Failed(Exception):
    """A server did not start, stop or answer as it should."""


def comparison(about: str | None, rounds: int, seconds: int) -> argparse.ArgumentParser:
    """Make a parser with the arguments that comparisons have, and these defaults."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"of each server; {rounds}")
    parser.add_argument("--seconds", type=int, default=seconds, help=f"of a load; {seconds}")
    return parser


def require(*tools: str) -> None:
    """Check that this machine has what comparisons need.

    :param tools: what is needed beside wrk and taskset.
    :raises SystemExit: with status 1 when something is missing.
    """
    missing = [tool for tool in ("wrk", "taskset", *tools) if shutil.which(tool) is None]
    if (os.cpu_count() or 1) < 2:
        missing.append("a core")
    if missing:
        needed = ", ".join(("two cores", "wrk", "taskset", *tools))
        raise SystemExit(f"needs {needed}; missing: {', '.join(missing)}")


def settle() -> None:
    """Keep this process off the servers' core, and allow it and the servers many connections."""
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = DESCRIPTORS if hard == resource.RLIM_INFINITY else min(DESCRIPTORS, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


def processor() -> str:
    with open("/proc/cpuinfo") as lines:
        return next(line.partition(": ")[2].strip() for line in lines if "model name" in line)


@dataclass(frozen=True)
class Running:
    """A server that has answered one request.

    :ivar session: the session whose processes are the server's.
    :ivar start: seconds from starting the command to the end of the first response.
    """

    session: int
    port: int
    start: float
    tls: bool


@contextmanager
def running(
    server: Server, app: str = "shapes:app", options: Sequence[str] = (), tls: bool = False
) -> Iterator[Running]:
    """Start the server, and stop it in the end.

    The server leads a session of its own, so that its processes can be told
    from all others, and only they are ended.

    :raises Failed: when it does not answer.
    """
    port = free_port()
    command = ["taskset", "-c", SERVER_CORE, *server.command(port, app, options)]
    started = time.perf_counter()
    # The output is a file because it may be the access log.
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            command,
            cwd=HERE,
            env={**os.environ, **server.environ},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
        try:
            if not _first_response(process, port, started + START_LIMIT, tls):
                raise Failed(f"no first response: {_last_line(errors)}")
            yield Running(process.pid, port, time.perf_counter() - started, tls)
        finally:
            _stop(process)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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


def _members(session: int) -> Iterator[tuple[Path, list[str]]]:
    """Yield a session's processes: their /proc directories and fields 3.. of their stat."""
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            # The command's name, in parentheses, may contain anything.
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended while we looked
        if int(fields[3]) == session:
            yield directory, fields


def cpu_by_process(session: int) -> dict[str, float]:
    """Return the user and system time of each of the session's processes so far, by its ID."""
    return {
        directory.name: (int(stat[11]) + int(stat[12])) / TICKS
        for directory, stat in _members(session)
    }


def cpu_seconds(session: int) -> float:
    """Return the user and system time of all the session's processes so far."""
    return sum(cpu_by_process(session).values())


def memory(session: int) -> float:
    """Return the proportional set size of all the session's processes, in MiB."""
    total = 0
    for directory, _ in _members(session):
        rollup = (directory / "smaps_rollup").read_text()
        total += sum(int(size) for size in re.findall(r"^Pss:\s+(\d+) kB", rollup, re.M))
    return total / 1024


def wrk_command(
    server: Running, seconds: int, path: str, connections: int, *arguments: str
) -> list[str]:
    """Return the command that generates the load, on the load's core."""
    command = ["taskset", "-c", LOAD_CORE, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    scheme = "https" if server.tls else "http"
    return [*command, "--latency", *arguments, f"{scheme}://127.0.0.1:{server.port}{path}"]


def wrk(server: Running, seconds: int, path: str, connections: int, *arguments: str) -> Found:
    """Put on a load, and return its figures."""
    command = wrk_command(server, seconds, path, connections, *arguments)
    return figures(subprocess.check_output(command, text=True, timeout=seconds + 30))


def figures(report: str) -> Found:
    """Read a report of wrk: requests per second, their 99th percentile in ms, what went wrong.

    :raises Failed: when no request was answered.
    """
    rate, p99 = _number(r"Requests/sec:\s+([\d.]+)", report), _duration(r"99%\s+", report)
    if not rate:
        raise Failed("answered nothing under load")
    wrong = r"(?:connect|read|write|responses:) (\d+)"
    return {
        "rate": rate,
        "p99": p99,
        "errors": sum(map(int, re.findall(wrong, report))),
        "timeouts": _number(r"timeout (\d+)", report),
    }


def _number(pattern: str, report: str) -> float:
    found = re.search(pattern, report)
    return float(found[1]) if found else 0.0


def _duration(pattern: str, report: str) -> float:
    found = re.search(pattern + r"([\d.]+)(us|ms|s|m)", report)
    if found is None:
        raise Failed("wrk reports no latencies")
    return float(found[1]) * UNITS[found[2]]
