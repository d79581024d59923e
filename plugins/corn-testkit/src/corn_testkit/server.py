"""Runs the installed ``corn`` command as a real process, in a session of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from tempfile import TemporaryFile
from typing import IO

from corn_testkit.client import Address, Reply
from corn_testkit.forkserver import IMPORTS
from corn_testkit.launcher import Process as Started
from corn_testkit.launcher import launcher
from corn_testkit.waiting import DEADLINE, children, polls, session_members, wait_for

COMMAND = str(Path(sys.executable).with_name("corn"))
"""The command beside the interpreter that runs the tests; `pip install -e` puts it there."""

DESCRIBE = [sys.executable, "-m", "corn_testkit.describe"]
"""The command that describes a worker class."""

APPS = Path(__file__).with_name("apps")
"""Where the kit's applications are, and the server's working directory by default."""

ASGI_APPS = APPS / "asgi"
"""Where those are that speak ASGI."""

NOT_INHERITED = {
    *("CORN_CMD_ARGS", "CORN_DISABLE_PLUGINS", "FORWARDED_ALLOW_IPS", "LISTEN_FDNAMES"),
    *("LISTEN_FDS", "LISTEN_PID", "NOTIFY_SOCKET", "PORT", "SCRIPT_NAME", "SENDFILE"),
    *("WATCHDOG_PID", "WATCHDOG_USEC", "WEB_CONCURRENCY", "FORCE_COLOR", "NO_COLOR"),
}
"""Variables of the test's own environment that would change what the server does."""

TROUBLE = re.compile(r"Traceback|Fatal Python error|\[CRITICAL\]|ResourceWarning")
"""What a log shows when something went wrong that no client can be blamed for."""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make the environment for a server: ours without what configures corn, and ``extra``."""
    ours = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    # A .pyc file is taken for current when its source changed within the same second.
    return {**ours, "PYTHONDONTWRITEBYTECODE": "1", **(extra or {})}


Process = subprocess.Popen[bytes] | Started


def spawn(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    stdout: IO[bytes],
    stderr: IO[bytes],
    pass_fds: Sequence[int] = (),
) -> Process:
    """Start a process in a session of its own, with an empty standard input.

    The installed command is started by a fork server, if that makes no difference; and so is the
    one that describes a worker class.
    """
    given = {name: value for name, value in env.items() if name != IMPORTS}
    if (command[0] == COMMAND or command[:3] == DESCRIBE) and not pass_fds:
        starter = launcher(env)
        if starter is not None:
            return starter.start(command, cwd, given, stdout, stderr)
    return subprocess.Popen(
        command,
        cwd=cwd,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        pass_fds=pass_fds,
    )


def run(
    *arguments: str,
    cwd: Path = APPS,
    env: Mapping[str, str] | None = None,
    command: str = COMMAND,
) -> subprocess.CompletedProcess[str]:
    """Run a command that ends by itself, such as ``corn --version``, to its end."""
    return run_command([command, *arguments], cwd, environment(env))


def run_command(
    line: Sequence[str], cwd: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end, in an environment that is complete."""
    with TemporaryFile() as stdout, TemporaryFile() as stderr:
        process = spawn(line, cwd, env, stdout, stderr)
        try:
            status = process.wait(DEADLINE * 2)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, SIGKILL)
            process.wait()
            raise
        return subprocess.CompletedProcess(line, status, _text(stdout), _text(stderr))


def _text(written: IO[bytes]) -> str:
    written.seek(0)
    return written.read().decode()


class Server:
    """One running server.

    ``log`` is what it wrote to standard error so far, ``output`` the same for
    standard output. ``tracebacks_expected`` is for tests that break something
    on purpose: otherwise the log must be free of :data:`TROUBLE` in the end.
    """

    def __init__(
        self,
        home: Path,
        arguments: list[str],
        cwd: Path = APPS,
        env: Mapping[str, str] | None = None,
        command: str = COMMAND,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.tracebacks_expected = False
        self.home = home
        self._error_log = home / "stderr"
        self._output = home / "stdout"
        with open(self._error_log, "wb") as stderr, open(self._output, "wb") as stdout:
            self.process = spawn(
                [command, *arguments], cwd, environment(env), stdout, stderr, pass_fds
            )
        self.pid = self.process.pid

    @property
    def log(self) -> str:
        return self._error_log.read_text(errors="replace")

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def addresses(self) -> list[Address]:
        """The addresses that the server listens on, by the latest of its messages."""
        lines = re.findall(r"Listening at: (\S+(?:, ?\S+)*) \(\d+\)", self.log)
        assert lines, "the server does not listen"
        return [Address(url.strip()) for url in lines[-1].split(",")]

    @property
    def address(self) -> Address:
        return self.addresses[0]

    def started(self) -> Server:
        """Wait until the server listens; fails at once when it ends instead."""
        wait_for(
            lambda: "Listening at: " in self.log or self.process.poll() is not None,
            "the server to listen",
        )
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}"
        return self

    def request(
        self,
        method: str = "GET",
        path: str = "/",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        return self.address.request(method, path, body, headers)

    def get(self, path: str = "/") -> str:
        """Return the text of a successful response."""
        reply = self.request(path=path)
        assert reply.status == 200, reply
        return reply.text

    def raw(self, data: bytes) -> bytes:
        return self.address.raw(data)

    def signal(self, number: Signals) -> None:
        """Send a signal to the master."""
        self.process.send_signal(number)

    def workers(self) -> list[int]:
        """Return the process ids of the master's children."""
        return children(self.pid)

    def wait_for_workers(self, count: int) -> list[int]:
        """Wait until there are exactly so many, all of which have booted and are idle."""

        def settled() -> list[int] | None:
            pids = self.workers()
            booting = all(f"Booting worker with pid: {pid}" in self.log for pid in pids)
            return pids if len(pids) == count and booting and all(map(polls, pids)) else None

        return wait_for(settled, f"{count} workers") or []

    def wait_for_log(
        self, pattern: str, count: int = 1, deadline: float = DEADLINE
    ) -> re.Match[str]:
        """Wait until the pattern is in the log, ``count`` times; return the last match."""

        def found() -> list[re.Match[str]] | None:
            matches = list(re.finditer(pattern, self.log, re.M))
            return matches if len(matches) >= count else None

        matches = wait_for(found, f"{pattern!r} in the log, {count} times", deadline)
        assert matches
        return matches[-1]

    def wait(self, status: int = 0, deadline: float = DEADLINE) -> None:
        """Wait for the end of the server, which leaves nothing behind."""
        assert self.process.wait(deadline) == status
        wait_for(lambda: not session_members(self.pid), "the server's last process to end")

    def stop(self, number: Signals = SIGTERM, status: int = 0) -> None:
        self.signal(number)
        self.wait(status)

    def kill(self) -> None:
        """End what is left of the server's process group, and show its log.

        pytest shows what was printed only when the test fails.
        """
        try:
            os.killpg(self.pid, SIGKILL)
        except ProcessLookupError:
            pass  # nothing is left, as it should be
        self.process.wait()
        print(f"--- standard error\n{self.log}--- standard output\n{self.output}---")

    def check_log(self) -> None:
        trouble = TROUBLE.search(self.log)
        assert self.tracebacks_expected or trouble is None, "the log shows trouble"
