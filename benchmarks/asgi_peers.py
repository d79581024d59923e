"""Compare the asgi worker with uvicorn and Granian; see README.md.

Prints a Markdown table. Takes less than four minutes once everything is installed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from asgi_sockets import check_echo, echo, open_sockets
from family import BROWSER, CONNECTIONS, IDLE_CONNECTIONS, allow_descriptors, prepare
from measure import (
    LOAD_CORE,
    Failed,
    comparison,
    cpu_seconds,
    figures,
    memory,
    read_arguments,
    run,
    running,
    wrk_command,
)
from servers import HERE, ROOT, Server, version

PLACES = (ROOT, ROOT / "plugins" / "corn-asyncio", ROOT / "plugins" / "corn-asgi")

CORN = Server(
    "corn",
    (*map(str, PLACES), "uvloop", "fastapi"),
    (
        *("corn", "--bind", "127.0.0.1:{port}", "-k", "asgi", "--asgi-loop", "uvloop"),
        *("--keep-alive", "75", "--workers", "1", "--worker-connections", "2000", "asgi_load:app"),
    ),
    from_checkout=True,
    home="corn-asgi",
)
UVICORN = Server(
    "uvicorn",
    ("uvicorn", "uvloop", "httptools", "websockets", "fastapi"),
    (
        *("uvicorn", "--port", "{port}", "--loop", "uvloop", "--http", "httptools"),
        *("--ws", "websockets", "--timeout-keep-alive", "75"),
        *("--no-access-log", "--log-level", "error", "asgi_load:app"),
    ),
    home="uvicorn-asgi",
)
GRANIAN = Server(
    "granian",
    ("granian", "uvloop", "fastapi"),
    (
        *("granian", "--interface", "asgi", "--http", "1", "--host", "127.0.0.1"),
        *("--port", "{port}", "--workers", "1", "--loop", "uvloop", "asgi_load:app"),
    ),
    home="granian-asgi",
)


@dataclass(frozen=True)
class Contestant:
    """A server, and what it finds in its environment."""

    name: str
    server: Server
    environ: dict[str, str] = field(default_factory=dict, hash=False)


Found = dict[str, float]
"""What one round gave, by the name of the figure."""


def requests(path: str, fields: Sequence[str] = (), script: str = "") -> Callable[..., Found]:
    """Return what measures requests that are all alike, or come from a script of wrk."""

    def measure(session: int, port: int, seconds: int) -> Found:
        *command, url = wrk_command(port, seconds, CONNECTIONS, path, fields)
        command += ["-s", str(HERE / script)] if script else []
        before = cpu_seconds(session)
        rate, errors = figures(run([*command, url], seconds))
        spent = cpu_seconds(session) - before
        if errors or not rate:
            raise Failed(f"{errors} errors under load")
        return {"us": spent / (rate * seconds) * 1e6, "rate": rate}

    return measure


def messages(session: int, port: int, seconds: int) -> Found:
    """Measure the echo of messages on WebSockets."""
    before = cpu_seconds(session)
    count = echo(port, CONNECTIONS, seconds)
    return {"us": (cpu_seconds(session) - before) / count * 1e6, "rate": count / seconds}


def idle(session: int, port: int, seconds: int) -> Found:
    """Measure the memory of WebSockets on which nothing happens."""
    before = memory(session)
    with ExitStack() as clients:
        sockets = open_sockets(port, IDLE_CONNECTIONS, clients)
        after = memory(session)
        for client in sockets:
            # They are all still open, or it was not them that were measured.
            check_echo(client)
    return {"MiB": after, "KiB each": (after - before) * 1024 / IDLE_CONNECTIONS}


@dataclass(frozen=True)
class Scenario:
    """One comparison: corn's figure should be so many times better than the peer's.

    :param figures: the figures that are shown; the less, the better.
    """

    name: str
    measure: Callable[[int, int, int], Found]
    peer: str
    times: float
    figures: tuple[str, ...] = ("us",)
    fresh: bool = False
    """True if it needs a server that has served nothing, and is measured once."""


SCENARIOS = (
    Scenario("hello", requests("/"), "granian", 1.2),
    Scenario("browser's fields", requests("/", BROWSER), "granian", 1.1),
    Scenario("fields that differ", requests("/", script="differing.lua"), "granian", 1.0),
    Scenario("POST of 10 kB", requests("/form", script="post.lua"), "granian", 1.0),
    Scenario("FastAPI, JSON", requests("/json"), "granian", 1.05),
    Scenario("WebSocket echo", messages, "uvicorn", 1.0),
    Scenario("1,000 idle WebSockets", idle, "uvicorn", 1.0, ("MiB", "KiB each"), fresh=True),
)

Results = dict[tuple[str, str, str], list[float]]
"""The figures of all rounds, by scenario, contestant and figure."""


def main() -> int:
    """Install, measure and print; the exit status is 1 when that cannot be done."""
    options = _arguments()
    contestants = [Contestant(each.name, each) for each in (UVICORN, GRANIAN, CORN)]
    broken = set() if options.installed else prepare(each.server for each in contestants)
    contestants = [each for each in contestants if each.server not in broken]
    if options.before:
        contestants.insert(-1, Contestant("corn before", CORN, of_checkout(options.before)))
    if options.installed:
        contestants[-1] = Contestant("corn", CORN, of_checkout(ROOT))
    chosen = [
        each
        for each in SCENARIOS
        if not options.words or any(word in each.name for word in options.words)
    ]
    load = os.getloadavg()[0]
    os.sched_setaffinity(0, {int(LOAD_CORE)})
    allow_descriptors(IDLE_CONNECTIONS * 2)
    results = measured(contestants, chosen, options.rounds, options.seconds)
    if not any(each.name == CORN.name for each in contestants):
        return 1
    print(f"CPython {platform.python_version()}, uvloop; {options.rounds} rounds of", end=" ")
    print(f"{options.seconds} s in turns; load average before: {load:.1f}")
    for each in contestants:
        note = f", {each.environ['PYTHONPATH'].split(':')[0]}" if each.environ else ""
        print(f"{each.name}: {version(each.server)}{note}", file=sys.stderr)
    print_table(chosen, contestants, results)
    if options.json:
        rows = [{"of": key, "rounds": found} for key, found in results.items()]
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def _arguments() -> argparse.Namespace:
    parser = comparison(__doc__, rounds=3, seconds=2)
    parser.add_argument("words", nargs="*", help="only scenarios with one of these words")
    parser.add_argument("--before", type=Path, help="another checkout of corn, to compare with")
    parser.add_argument("--json", type=Path, help="write the figures of each round to this file")
    parser.add_argument(
        "--installed", action="store_true", help="install nothing; run corn from this checkout"
    )
    return read_arguments(parser)


def of_checkout(root: Path) -> dict[str, str]:
    """Return the environment in which corn's code comes from a checkout."""
    plugins = root.resolve() / "plugins"
    places = (root.resolve(), plugins / "corn-asyncio" / "src", plugins / "corn-asgi" / "src")
    return {"PYTHONPATH": ":".join(map(str, places))}


def measured(
    contestants: list[Contestant], chosen: Sequence[Scenario], rounds: int, seconds: int
) -> Results:
    """Measure in turns, so that whatever else the machine does meets every server.

    Those that fail are taken off the list.
    """
    results: Results = {}
    fresh = [each for each in chosen if each.fresh]
    loads = [each for each in chosen if not each.fresh]
    for turn in range(rounds):
        for contestant in list(contestants):
            try:
                if loads:
                    _measure(results, contestant, loads, seconds)
                for scenario in fresh if turn == 0 else ():
                    _measure(results, contestant, [scenario], seconds)
            except Failed as problem:
                print(f"leaving out {contestant.name}: {problem}", file=sys.stderr)
                contestants.remove(contestant)
    return results


def _measure(
    results: Results, contestant: Contestant, chosen: Sequence[Scenario], seconds: int
) -> None:
    """Take a server through scenarios, one after another."""
    with running(contestant.server, contestant.environ) as (session, port, _):
        if not chosen[0].fresh:
            run(wrk_command(port, 1, CONNECTIONS), 1)
        for scenario in chosen:
            for name, value in scenario.measure(session, port, seconds).items():
                results.setdefault((scenario.name, contestant.name, name), []).append(value)


def print_table(
    chosen: Sequence[Scenario], contestants: Sequence[Contestant], results: Results
) -> None:
    """Print a row for each scenario and figure: medians, and the lowest and highest of corn."""
    names = [each.name for each in contestants]
    print(f"\n| | {' | '.join(names)} | spread of corn | against | ratio | bar |")
    print(f"| --- |{' ---: |' * len(names)} ---: | --- | ---: | ---: |")
    for scenario in chosen:
        for figure in scenario.figures:
            rounds = {name: results[scenario.name, name, figure] for name in names}
            own = rounds["corn"]
            medians = " | ".join(f"{statistics.median(found):.1f}" for found in rounds.values())
            verdict = "| |"
            if scenario.peer in rounds:
                ratio = statistics.median(rounds[scenario.peer]) / statistics.median(own)
                missed = "" if ratio >= scenario.times else " MISSED"
                verdict = f"{ratio:.2f} | ≥ {scenario.times:g}{missed} |"
            print(
                f"| {scenario.name}, {'µs of processor time' if figure == 'us' else figure} "
                f"| {medians} | {min(own):.1f} - {max(own):.1f} | {scenario.peer} | {verdict}"
            )


if __name__ == "__main__":
    sys.exit(main())
