"""The command ``cornctl``: says what to do to a running server, and shows the answer."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from corn_control import __version__
from corn_control.client import Answer, Connection, Unreachable
from corn_control.protocol import DEFAULT_TIMEOUT, MAX_TIMEOUT, VERSION, Request
from corn_control.render import text_of

VARIABLE = "CORN_CONTROL"

REFUSED, USAGE, UNREACHABLE, UNFINISHED = 1, 2, 3, 4
"""The exit statuses besides 0."""

LEVELS = ("debug", "info", "warning", "error", "critical")

STATUSES = """exit status:
  0  done
  1  the server has refused, or what was asked for has failed
  2  the command line is wrong
  3  there is no server at the socket, or it may not be used
  4  it was not done within the timeout; it goes on
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    given = parser().parse_args(argv)
    path = given.socket or os.environ.get(VARIABLE)
    if not path:
        parser().error(f"which server? name its --control socket with -s PATH, or in {VARIABLE}")
    if given.command == "top":
        from corn_control.top import run_top  # lazy: only top needs rich

        return run_top(path, given.interval, given.count, given.json)
    command, arguments = request_of(given)
    try:
        with Connection(path) as connection:
            answer = connection.ask(Request(command, arguments, given.timeout))
    except Unreachable as error:
        return tell(command, unreachable(error), given.json)
    except KeyboardInterrupt:
        print("cornctl: not waited for; it goes on", file=sys.stderr)
        return UNFINISHED
    return tell(command, answer, given.json)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("-s", "--socket", metavar="PATH", default=argparse.SUPPRESS)
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS)
    common.add_argument("--timeout", type=_seconds, metavar="SECONDS", default=argparse.SUPPRESS)
    made = argparse.ArgumentParser(
        prog="cornctl",
        description="Control a running corn server by the socket of its setting --control.",
        epilog=STATUSES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"cornctl {__version__}")
    made.add_argument("-s", "--socket", metavar="PATH", help=f"the socket; default: ${VARIABLE}")
    made.add_argument("--json", action="store_true", help="print the answer as JSON")
    made.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        default=DEFAULT_TIMEOUT,
        help=f"how long to wait until it is done; default: {DEFAULT_TIMEOUT:g}",
    )
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def add(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=help, description=help, parents=[common])

    add("status", "show how the server is")
    add("workers", "list the workers")
    top = add("top", "watch the server; a line now and then if this is not a terminal")
    top.add_argument("--interval", type=_interval, default=1.0, metavar="SECONDS")
    top.add_argument("--count", type=_count, metavar="N", help="end after so many looks")
    add("requests", "show what each worker does now")
    add("config", "show the settings, and where they came from")
    add("reload", "read the configuration again and replace the workers (HUP)")
    add("upgrade", "replace the master by a new one (USR2, then TERM)").add_argument(
        "--keep", action="store_true", help="keep the old master beside the new one"
    )
    add("scale", "change the number of workers (TTIN, TTOU)").add_argument(
        "workers", metavar="N|+N|-N"
    )
    add("drain", "finish what has begun, and stop the server (TERM)").add_argument(
        "--quick", action="store_true", help="do not finish what has begun (QUIT)"
    )
    add("log-level", "change the level of the error log").add_argument("level", choices=LEVELS)
    add("reopen-logs", "open the log files anew, after they were moved (USR1)")
    for name, help in _OF_A_WORKER.items():
        one = add(name, help)
        one.add_argument("pid", type=int, metavar="PID")
        if name == "kill":
            one.add_argument("--signal", default="term", metavar="NAME", help=_SIGNALS)
    add("commands", "list the server's commands, those of plugins too")
    other = add("run", "run any of them")
    other.add_argument("name", metavar="NAME")
    other.add_argument("arguments", nargs="*", type=_pair, metavar="KEY=VALUE")
    return made


_OF_A_WORKER = {
    "stacks": "show what the threads of a worker do",
    "recycle": "replace a worker, which serves until then",
    "kill": "end a worker; another takes its place",
}
_SIGNALS = "term (the default: it finishes what has begun), quit, abrt or kill"


def request_of(given: argparse.Namespace) -> tuple[str, Mapping[str, Any]]:
    """Return the server's command, and its arguments, for a parsed command line."""
    if given.command == "run":
        return given.name, dict(given.arguments)
    names = ("keep", "workers", "quick", "level", "pid", "signal")
    return given.command, {name: getattr(given, name) for name in names if name in given}


def tell(command: str, answer: Answer, as_json: bool) -> int:
    """Print an answer; returns the exit status that it stands for."""
    done = bool(answer.get("ok"))
    if as_json:
        print(json.dumps(answer))
    elif done:
        print(text_of(command, answer["result"]))
    else:
        print(f"cornctl: {answer['error']['message']}", file=sys.stderr)
    if done:
        return 0
    return {"unreachable": UNREACHABLE, "timeout": UNFINISHED}.get(answer["error"]["code"], REFUSED)


def unreachable(error: Unreachable) -> Answer:
    """Return the answer that takes the place of a server's."""
    return {"v": VERSION, "ok": False, "error": {"code": "unreachable", "message": str(error)}}


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MAX_TIMEOUT:
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to {MAX_TIMEOUT:g}")
    return seconds


def _interval(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= MAX_TIMEOUT:
        raise argparse.ArgumentTypeError(f"expected seconds from 0.1 to {MAX_TIMEOUT:g}")
    return seconds


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a number from 1 on")
    return number


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"expected KEY=VALUE, got {text!r}")
    return name, value


if __name__ == "__main__":
    sys.exit(main())
