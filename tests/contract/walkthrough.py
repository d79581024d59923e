"""Follows a page of the documentation as a reader would: writes its files, runs its commands.

Each page has a directory of its own, in which everything happens in the order of the page, and a
server runs until the next one is started. Addresses are the page's but for their ports, in
whose place free ones are put.

What is printed must be what the page says, where a line of three dots stands for any lines and
three dots within a line for any text; times, process ids and versions may be others.
"""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path

from corn_testkit.server import COMMAND, Server, environment
from corn_testkit.waiting import DEADLINE, children, polls, wait_for
from tests.contract.pages import Block

OURS = str(Path(COMMAND).parent)

_ADDRESS = re.compile(r"(?<=127\.0\.0\.1:)[89]\d{3}\b")
_EXPORT = re.compile(r"export (\w+)=(\S+)")
_ASSIGNMENTS = re.compile(r"((?:[A-Z_]+=\S+ )*)(.*)")
_WORKERS = re.compile(r" (?:-w|--workers)[ =](\d+)")

_COLOUR = re.compile(r"\x1b\[[\d;]*m")

# The process that a line of the log is from.
_PROCESS = re.compile(r"\[[^]]+\] \[(\d+)\] ")

# What is different each time, as a pattern of what the page shows and of what there may be.
_VARYING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}"),
    (r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}", r"\d\d/\w{3}/\d{4}:[\d:]{8} [+-]\d{4}"),
    (r"^\d\d:\d\d:\d\d(?= )", r"[\d:]{8}"),
    (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT"),
    (r"(?<=\[)\d{2,}(?=\])|(?<=\()\d{2,}(?=\))|(?<=pid: )\d+|(?<=pid:)\d+", r"\d+"),
    # What cornctl says.
    (r"(?<=master )\d+|(?<=worker )\d+(?= has)|(?<=in the place of )\d+", r"\d+"),
    (r"(?<=, up )[\d.]+s|[\d.]+us(?= on average)", r"[\d.]+\w+"),
    (r"(?<=corn )\d+\.\d+\.\d+|(?<=corn/)\d+\.\d+\.\d+", r"\d+\.\d+\.\d+\S*"),
    (r"\.\.\.", r".*?"),
)
_ANY = re.compile("|".join(f"({shown})" for shown, _ in _VARYING))


def pattern(line: str) -> str:
    """Make a regular expression for a line that a page shows."""
    pieces, end = [], 0
    for match in _ANY.finditer(line):
        assert match.lastindex is not None
        pieces += [re.escape(line[end : match.start()]), _VARYING[match.lastindex - 1][1]]
        end = match.end()
    return "".join([*pieces, re.escape(line[end:])])


def output_pattern(lines: list[str]) -> re.Pattern[str]:
    """Make a regular expression for all that a command prints."""
    parts = [r"(?:.*\n)*?" if line == "..." else rf"{pattern(line)}\n" for line in lines]
    return re.compile("".join(parts))


class Walkthrough:
    """A reader of one page, at work in a directory of their own."""

    patience = DEADLINE * 4
    """The seconds that a command may take."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.directory = home / "page"
        self.directory.mkdir()
        (home / ".curlrc").write_text("silent\n")
        self._ports: dict[str, socket.socket] = {}
        self._server: Server | None = None
        self._seen: dict[str, int] = {}
        self._binds = False
        target = home / "installed"
        self.env = {
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PATH": f"{OURS}{os.pathsep}{os.environ['PATH']}",
            # What a page installs goes there, from what is here already.
            "PIP_TARGET": str(target),
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "false",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "PYTHONPATH": str(target),
            # For the first see pyproject.toml; the second takes half a second to import.
            "PYTEST_ADDOPTS": "-p no:dash -p no:randomly",
        }

    def follow(self, block: Block) -> None:
        """Do what a block is marked with."""
        if block.file is not None:
            self._write(block)
        elif block.appended_to is not None:
            with (self.directory / block.appended_to).open("a") as file:
                file.write(block.space + block.text)
        if "run" in block.words:
            # A block that is not a transcript is a program of its own.
            commands = block.commands or [(f"python -c {shlex.quote(block.text)}", [])]
            for number, (command, shown) in enumerate(commands, 1):
                self._run(command, shown, block.exit_status if number == len(commands) else 0)
        elif "server" in block.words:
            ((command, shown),) = block.commands
            self._start(command, {"FORCE_COLOR": "1"} if "terminal" in block.words else {})
            self._expect_log(shown)
        elif "log" in block.words:
            self._expect_log(block.text.splitlines())

    def close(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server = None
        for reserved in self._ports.values():
            reserved.close()

    # -- what blocks do --------------------------------------------------------------

    def _write(self, block: Block) -> None:
        assert block.file is not None
        path = self.directory / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        text = self._localised(block.text)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(0o755)
        self._binds = self._binds or bool(re.search(r"\bbind\b", text))
        if "check" in block.words:
            app = "" if "wsgi_app" in text else " hello:app"
            output = self._run(f"corn -c {block.file} --check-config{app}", [], 0)
            assert not re.search("WARNING|ERROR", output), output

    def _run(self, command: str, shown: list[str], status: int) -> str:
        """Run a command; returns what it prints."""
        command = self._localised(command)
        if exported := _EXPORT.fullmatch(command):
            # For the commands that follow, each of which has a shell of its own.
            self.env[exported[1]] = exported[2]
            return ""
        outcome = subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.directory,
            env=environment(self.env | self._default_address(command)),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=self.patience,
        )
        about = f"$ {command}\n{outcome.stdout}(exit status {outcome.returncode})"
        assert outcome.returncode == status, about
        if shown:
            expected = output_pattern([self._localised(line) for line in shown])
            assert expected.fullmatch(outcome.stdout), f"{about}\nThe page says: {shown}"
        return outcome.stdout

    def _start(self, command: str, more: dict[str, str]) -> None:
        if self._server is not None:
            self._server.kill()
        command = self._localised(command)
        # So that the shell becomes the server, and signals reach it.
        command = _ASSIGNMENTS.sub(r"\1exec \2", command, count=1)
        home = self.home / f"server-{len(list(self.home.iterdir()))}"
        home.mkdir()
        env = self.env | self._default_address(command) | more
        server = self._server = Server(home, ["-c", command], self.directory, env, "/bin/sh")
        self._seen = {}
        # No reader is so fast that the workers have not booted by the next command.
        given = _WORKERS.search(command)
        workers = int(given[1]) if given else 1
        wait_for(
            lambda: (
                sum(map(polls, children(server.pid))) >= workers
                or server.process.poll() is not None
            ),
            "the server to start",
        )
        assert server.process.poll() is None, f"{command} has ended"

    def _expect_log(self, lines: list[str]) -> None:
        """Wait until these lines are in the log, beyond those seen before.

        They come in order from each process. What two processes do at the same time is logged in
        any order, and a page shows one of them.
        """
        assert self._server is not None, "no server runs"
        process = ""
        for line in lines:
            if line != "...":
                if number := _PROCESS.match(line):
                    process = number[1]
                wanted = re.compile(rf"^{pattern(self._localised(line))}$", re.MULTILINE)
                found = partial(self._is_logged, wanted, self._server, process)
                wait_for(found, f"{line!r} in the log")

    def _is_logged(self, wanted: re.Pattern[str], server: Server, process: str) -> bool:
        # A process that is new was made by what has been seen so far.
        start = self._seen.get(process, max(self._seen.values(), default=0))
        found = wanted.search(_COLOUR.sub("", server.log), start)
        if found:
            self._seen[process] = found.end()
            return True
        # An access log on standard output, whose lines are in no order with the others.
        return wanted.search(server.output) is not None

    # -- addresses -------------------------------------------------------------------

    def _localised(self, text: str) -> str:
        return _ADDRESS.sub(lambda match: self._port(match[0]), text)

    def _port(self, shown: str) -> str:
        """Return the free port that takes the place of one that a page shows."""
        if shown not in self._ports:
            # It stays bound, so that no other program gets it, but does not listen: with
            # SO_REUSEADDR, a server can bind it too.
            reserved = socket.socket()
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            reserved.bind(("127.0.0.1", 0))
            self._ports[shown] = reserved
        return str(self._ports[shown].getsockname()[1])

    def _default_address(self, command: str) -> dict[str, str]:
        """Return the address for a server to which the page gives none."""
        if self._binds or re.search(r"(^|\s)(-b|--bind|--print-config|\w*CMD_ARGS)\b", command):
            return {}
        return {"CORN_CMD_ARGS": f"--bind=127.0.0.1:{self._port('8000')}"}


class Newcomer(Walkthrough):
    """A reader in an empty directory, with a machine on which corn is not installed.

    What the page installs, it has to install into a virtual environment that it has made.

    :param wheels: where pip finds corn's own distributions; others are where it always looks.
    """

    patience = 600.0

    def __init__(self, home: Path, wheels: Path) -> None:
        super().__init__(home)
        # A name in a constraint with a URL is never looked for in an index.
        constraints = home / "constraints.txt"
        names = {
            wheel.name.partition("-")[0].replace("_", "-"): wheel for wheel in wheels.iterdir()
        }
        constraints.write_text(
            "".join(f"{name} @ {path.as_uri()}\n" for name, path in names.items())
        )
        # The interpreter that runs the tests, and nothing that is installed beside it.
        interpreter = home / "bin" / "python3"
        interpreter.parent.mkdir()
        interpreter.symlink_to(os.path.realpath(sys.executable))
        others = [each for each in os.environ["PATH"].split(os.pathsep) if each != OURS]
        path = [str(self.directory / ".venv" / "bin"), str(interpreter.parent), *others]
        self.env = {
            "CURL_HOME": str(home),
            "PATH": os.pathsep.join(path),
            "PIP_CONSTRAINT": str(constraints),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
            "PYTHONPATH": "",
        }
