"""Measure corn and other servers in all scenarios, and write tables and a chart; see README.md.

Words choose servers and scenarios: a group of servers (asgi, wsgi, workers, threads, overlapping),
or how a word in the name of a server or a scenario begins. `quick` takes less than two minutes,
once the servers are installed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import chart
from measure import (
    Failed,
    Running,
    comparison,
    processor,
    require,
    running,
    settle,
    wrk,
)
from scenarios import CONNECTIONS, SCENARIOS, Scenario
from servers import CORN, ROOT, SERVERS, TLS, Server, prepare

BUILD = ROOT / "build"
ROUNDS, QUICK_ROUNDS, SECONDS, WARM_UP = 5, 2, 1, 1
OVERHEAD = 1.0
"""Seconds that a server takes to start and to stop, for the estimate."""


@dataclass
class Results:
    """The figures of all rounds, by scenario, server and figure; and why some are missing."""

    rounds: dict[tuple[str, str], dict[str, list[float]]] = field(default_factory=dict)
    left_out: dict[tuple[str, str], str] = field(default_factory=dict)

    def median(self, scenario: str, server: str, figure: str) -> float:
        return statistics.median(self.rounds[scenario, server][figure])


@dataclass(frozen=True)
class Turn:
    """A process of a server, and what is measured of it, one after another."""

    server: Server
    scenarios: tuple[Scenario, ...]

    def seconds(self, load: int) -> float:
        """Estimate how long it takes."""
        return OVERHEAD + WARM_UP + sum(max(load * each.times, 0.5) for each in self.scenarios)


def fits(scenario: Scenario, server: Server) -> bool:
    return not scenario.group or scenario.group in server.groups


def turns(
    servers: Sequence[Server],
    scenarios: Sequence[Scenario],
    wanted: Callable[[Scenario, Server], bool] = fits,
) -> Iterator[Turn]:
    """Yield the processes of one round; servers take turns, so that peers are close in time."""
    for kind in dict.fromkeys((each.app, each.feature) for each in scenarios):
        alike = [each for each in scenarios if (each.app, each.feature) == kind]
        for server in servers:
            if own := tuple(each for each in alike if wanted(each, server)):
                yield Turn(server, own)


def announce(planned: Sequence[Turn], rounds: int, seconds: int) -> chart.Figures:
    """Say how long it will take, and on what; returns the description, without rows."""
    minutes = rounds * sum(turn.seconds(seconds) for turn in planned) / 60
    print(f"takes about {minutes:.1f} minutes when all is installed")
    load = os.getloadavg()[0]
    figures: chart.Figures = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{os.cpu_count()} cores of {processor()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}{optimised()}",
        "rounds": f"{rounds} rounds of {seconds} s in turns; load average before: {load:.1f}",
        "rows": [],
    }
    print(f"{chart.about(figures)}\n", flush=True)
    return figures


def measure(planned: Sequence[Turn], rounds: int, seconds: int) -> Results:
    """Install and measure; a server that fails is left out of what it failed in.

    Processes are new in each round: the same server is up to a third slower in one process than
    in another, because where its memory lies, and the seed of its hashes, are not the same.
    """
    results = Results()
    broken = prepare([turn.server for turn in planned])
    settle()
    with tempfile.TemporaryDirectory() as directory:
        make_certificate(directory)
        for number in range(1, rounds + 1):
            for turn in planned:
                print(f"\rround {number}: {turn.server.name:30}", end="", file=sys.stderr)
                missing = broken.get(turn.server.name) or lacks(turn)
                wanted = tuple(
                    each
                    for each in turn.scenarios
                    if (each.name, turn.server.name) not in results.left_out
                )
                if missing:
                    leave_out(results, turn, missing)
                elif wanted:
                    take(results, replace(turn, scenarios=wanted), seconds, directory)
    print(file=sys.stderr)
    return results


def lacks(turn: Turn) -> str:
    feature = turn.scenarios[0].feature
    return f"it has no {feature}" if feature and feature not in turn.server.features else ""


def leave_out(results: Results, turn: Turn, reason: str) -> None:
    for scenario in turn.scenarios:
        results.left_out[scenario.name, turn.server.name] = reason


def take(results: Results, turn: Turn, seconds: int, directory: str) -> None:
    """Start a server and take it through the scenarios of a turn."""
    app, feature = turn.scenarios[0].app, turn.scenarios[0].feature
    if app == "shapes" and "asgi" in turn.server.groups:
        app = "asgi_shapes"
    options, warm = turn.server.options(feature, directory), False
    try:
        with running(turn.server, f"{app}:app", options, tls=feature == TLS) as server:
            for scenario in turn.scenarios:
                if scenario.times and not warm:
                    wrk(server, WARM_UP, "/", CONNECTIONS)
                    warm = True
                measure_one(results, turn.server.name, scenario, server, seconds)
    except Failed as problem:
        leave_out(results, turn, str(problem))


def measure_one(
    results: Results, name: str, scenario: Scenario, server: Running, seconds: int
) -> None:
    try:
        found = scenario.measure(server, seconds * scenario.times)
    except (Failed, OSError, subprocess.SubprocessError) as problem:
        results.left_out[scenario.name, name] = str(problem) or type(problem).__name__
        return
    figures = results.rounds.setdefault((scenario.name, name), {})
    for figure, value in found.items():
        figures.setdefault(figure, []).append(value)


def make_certificate(directory: str) -> None:
    """Make a certificate of its own; the load generator does not check it."""
    command = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    options = ("-nodes", "-days", "2", "-subj", "/CN=127.0.0.1")
    files = ("-keyout", f"{directory}/key.pem", "-out", f"{directory}/certificate.pem")
    subprocess.run([*command, *options, *files], check=True, capture_output=True)


def rows(planned: Sequence[Turn], scenarios: Sequence[Scenario], found: Results) -> list[chart.Row]:
    """Summarise the results, scenario by scenario."""
    made = []
    for scenario in scenarios:
        for server in dict.fromkeys(turn.server for turn in planned if scenario in turn.scenarios):
            key = (scenario.name, server.name)
            row = chart.Row(scenario=scenario.name, server=server.name, version="")
            if key in found.left_out:
                row["left_out"] = found.left_out[key]
            else:
                row["version"] = server.environment.version()
                row["figures"] = {name: spread(each) for name, each in found.rounds[key].items()}
                row["ratios"] = {
                    peer: {
                        figure: round(found.median(*key, figure) / median, 3)
                        for figure in scenario.figures
                        if (median := found.median(scenario.name, peer, figure))
                    }
                    for peer in server.peers
                    if (scenario.name, peer) in found.rounds
                    and (scenario.name, peer) not in found.left_out
                }
            made.append(row)
    return made


def spread(values: Sequence[float]) -> chart.Spread:
    median, low, high = statistics.median(values), min(values), max(values)
    return {"median": round(median, 2), "low": round(low, 2), "high": round(high, 2)}


def optimised() -> str:
    """Name the option for an optimised interpreter, if it was built with that.

    Without it, it may be optimised all the same: Debian's is, by commands of its own.
    """
    option = "--enable-optimizations"
    return f" ({option})" if option in str(sysconfig.get_config_var("CONFIG_ARGS")) else ""


def names_it(word: str, name: str) -> bool:
    """Tell whether a name has a word, or words, that begin so: gunicorn is not corn."""
    return f" {word}" in f" {name}"


def chosen(words: Sequence[str]) -> tuple[list[Server], list[Scenario]]:
    """Return the servers and scenarios that words choose; all, where none of them chooses any.

    :raises SystemExit: when a word chooses nothing.
    """
    servers: list[Server] = []
    scenarios: list[Scenario] = []
    for word in words:
        some = [each for each in SERVERS if word in each.groups] or [
            each for each in SERVERS if names_it(word, each.name)
        ]
        others = [each for each in SCENARIOS if names_it(word, each.name)]
        if not some and not others:
            raise SystemExit(f"{word!r} chooses nothing; there are:\n{names()}")
        servers += some
        scenarios += others
    return (
        [each for each in SERVERS if each in servers] or list(SERVERS),
        [each for each in SCENARIOS if each in scenarios] or list(SCENARIOS),
    )


def names() -> str:
    groups = dict.fromkeys(group for server in SERVERS for group in server.groups)
    lists = {"groups": groups, "servers": (each.name for each in SERVERS)}
    lists["scenarios"] = (each.name for each in SCENARIOS)
    return "\n".join(f"{kind}: {'; '.join(each)}" for kind, each in lists.items())


def quick() -> tuple[list[Server], list[Scenario]]:
    """Return what the quick run has, and say what it leaves out."""
    print(f"quick: {QUICK_ROUNDS} rounds rather than {ROUNDS}; these are left out:")
    for kind, table in (("servers", SERVERS), ("scenarios", SCENARIOS)):
        print(f"{kind}: {'; '.join(each.name for each in table if not each.quick)}")
    print()
    return [each for each in SERVERS if each.quick], [each for each in SCENARIOS if each.quick]


def of_checkout(servers: Sequence[Server], root: Path) -> Iterator[Server]:
    """Yield corn's servers with the code of another checkout."""
    places = [root, *sorted((root / "plugins").glob("*/src"))]
    path = {"PYTHONPATH": os.pathsep.join(str(place.resolve()) for place in places)}
    for server in servers:
        if server.environment is CORN:
            yield replace(server, name=f"{server.name}, before", environ=path, peers=())


def main() -> int:
    """Install, measure and write; the exit status is 1 when nothing could be measured."""
    options = arguments()
    require("openssl")
    if options.words == ["quick"]:
        servers, scenarios = quick()
    else:
        servers, scenarios = chosen(options.words)
    if options.before:
        servers += of_checkout(servers, options.before)
    planned = list(turns(servers, scenarios))
    figures = announce(planned, options.rounds, options.seconds)
    figures["rows"] = rows(planned, scenarios, measure(planned, options.rounds, options.seconds))
    print(chart.whole_tables(figures))
    write(figures, whole=not options.words and not options.before)
    return 0 if any("figures" in row for row in figures["rows"]) else 1


def arguments() -> argparse.Namespace:
    short = "quick" in sys.argv[1:]
    parser = comparison(__doc__, QUICK_ROUNDS if short else ROUNDS, SECONDS)
    parser.add_argument("words", nargs="*", help=f"quick, or any of these. {names()}")
    parser.add_argument("--before", type=Path, help="another checkout of corn, to compare with")
    return parser.parse_args()


def write(figures: chart.Figures, whole: bool) -> None:
    """Write figures and chart: those that are published if they are of all, or others in build/."""
    BUILD.mkdir(exist_ok=True)
    target = chart.FIGURES if whole else BUILD / "figures.json"
    target.write_text(json.dumps(figures, indent=1, allow_nan=False) + "\n")
    if whole:
        chart.main()
        print(f"wrote {target}, {chart.CHART} and the tables of the pages")
    else:
        picture = target.with_suffix(".svg")
        picture.write_text(chart.draw(figures))
        print(f"wrote {target} and {picture}")


if __name__ == "__main__":
    sys.exit(main())
