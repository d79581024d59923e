"""Compare corn with other WSGI servers, side by side in one run; see README.md.

Prints Markdown tables. Takes about three minutes; nothing runs longer than its bound.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from measure import (
    LOAD_CORE,
    Failed,
    Load,
    comparison,
    first_response,
    load,
    read_arguments,
)
from servers import SERVERS, Server, install, version


@dataclass
class Result:
    """All that was measured of one server."""

    server: Server
    version: str
    loads: list[Load] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)

    @property
    def figures(self) -> tuple[float, float, float, float]:
        """Medians: requests/s, requests per CPU second, MiB, seconds to the first response."""
        return (
            statistics.median(round_.rate for round_ in self.loads),
            statistics.median(round_.per_cpu_second for round_ in self.loads),
            statistics.median(round_.memory for round_ in self.loads),
            statistics.median(self.starts),
        )


def main() -> int:
    """Install, measure and print; the exit status is 1 when there is nothing to compare."""
    options = arguments()
    results = [Result(server, version(server)) for server in prepared(options.servers)]
    # The clock of a start is read by this process: keep it off the server's core.
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    results = measured(results, options)
    if not results:
        return 1
    report(results)
    return 0


def arguments() -> argparse.Namespace:
    parser = comparison(__doc__, rounds=5, seconds=4)
    names = [server.name for server in SERVERS]
    parser.add_argument("servers", nargs="*", default=names, metavar="SERVER", help=str(names))
    parser.add_argument("--starts", type=int, default=15, help="starts a server")
    parser.add_argument("--connections", type=int, default=64, help="concurrent connections")
    return read_arguments(parser)


def prepared(names: Sequence[str]) -> list[Server]:
    """Return the servers of these names that could be installed."""
    servers = []
    for server in SERVERS:
        if server.name in names:
            problem = install(server)
            if problem is None:
                servers.append(server)
            else:
                print(f"leaving out {server.name}: {problem}", file=sys.stderr)
    return servers


def measured(results: list[Result], options: argparse.Namespace) -> list[Result]:
    """Measure in turns, so that a change of the machine's mood meets every server."""
    for turn in range(max(options.rounds, options.starts)):
        for result in list(results):
            try:
                if turn < options.rounds:
                    result.loads.append(load(result.server, options.seconds, options.connections))
                if turn < options.starts:
                    result.starts.append(first_response(result.server))
            except Failed as problem:
                print(f"leaving out {result.server.name}: {problem}", file=sys.stderr)
                results.remove(result)
    return results


def report(results: list[Result]) -> None:
    print(f"{platform.python_implementation()} {platform.python_version()}, {platform.platform()}")
    print("\n| server | requests/s | requests per CPU second | spread | errors | PSS | start |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for result in results:
        rate, per_cpu, memory, start = result.figures
        speeds = [round_.per_cpu_second for round_ in result.loads]
        spread = f"{min(speeds):,.0f} - {max(speeds):,.0f}"
        errors = sum(round_.errors for round_ in result.loads)
        name = f"{result.server.name} {result.version}"
        print(
            f"| {name} | {rate:,.0f} | {per_cpu:,.0f} | {spread} | {errors} "
            f"| {memory:.1f} MiB | {start * 1000:.0f} ms |"
        )
    if results[0].server.name == "corn":
        ratios(results[0], results[1:])


def ratios(corn: Result, peers: list[Result]) -> None:
    print(
        "\n| corn / peer | requests/s | requests per CPU second | CPU per request | PSS | start |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for peer in peers:
        rate, per_cpu, memory, start = (
            own / other for own, other in zip(corn.figures, peer.figures, strict=True)
        )
        print(
            f"| {peer.server.name} | {rate:.2f} | {per_cpu:.2f} | {1 / per_cpu:.2f} "
            f"| {memory:.2f} | {start:.2f} |"
        )


if __name__ == "__main__":
    sys.exit(main())
