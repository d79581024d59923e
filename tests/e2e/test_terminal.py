"""Starting the server at a terminal, and what a person sees there."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping

import pytest

from corn_testkit.server import APPS, COMMAND, environment, run
from corn_testkit.waiting import DEADLINE


class Screen:
    """A terminal, with a command at work in its foreground."""

    def __init__(self, arguments: list[str], env: Mapping[str, str]) -> None:
        self._near, far = os.openpty()
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            cwd=APPS,
            env=environment({"TERM": "xterm", **env}),
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)
        self.text = ""

    def wait_for(self, pattern: str) -> None:
        """Read what the command writes until the pattern is found in it."""
        give_up = time.monotonic() + DEADLINE
        while not re.search(pattern, self.text, re.MULTILINE):
            readable, _, _ = select.select([self._near], [], [], give_up - time.monotonic())
            assert readable, f"no {pattern!r} in:\n{self.text}"
            try:
                octets = os.read(self._near, 65536)
            except OSError:  # EIO: the last process that had it open has ended
                octets = b""
            assert octets, f"it ended without {pattern!r} in:\n{self.text}"
            self.text += octets.decode().replace("\r\n", "\n")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        # The terminal is no longer read, and a process that writes to it must not wait.
        os.close(self._near)
        self.process.wait(DEADLINE)


Start = Callable[..., Screen]


@pytest.fixture
def start() -> Iterator[Start]:
    screens = []

    def starter(*arguments: str, **env: str) -> Screen:
        screens.append(Screen([*arguments], env))
        return screens[-1]

    yield starter
    for screen in screens:
        screen.close()


def test_start_at_a_terminal(start: Start) -> None:
    screen = start("--bind=127.0.0.1:0", "probe:app", NO_COLOR="1")
    screen.wait_for(r"^\d\d:\d\d:\d\d Booting worker with pid: \d+\n")
    assert re.match(
        r"\d\d:\d\d:\d\d Starting corn \S+\n"
        r"\d\d:\d\d:\d\d Listening at:\n"
        r"         http://127\.0\.0\.1:\d+\n"
        r"         Press Ctrl-C to stop\n",
        screen.text,
    ), screen.text


def test_ctrl_c_stops_it(start: Start) -> None:
    screen = start("--bind=127.0.0.1:0", "--access-logfile=-", "probe:app")
    screen.wait_for("Booting worker with pid")
    assert "\033[1;36mhttp://127.0.0.1:" in screen.text
    os.killpg(screen.process.pid, signal.SIGINT)
    assert screen.process.wait(DEADLINE) == 0


def test_error_is_red(start: Start) -> None:
    screen = start("--workers=none")
    screen.wait_for(r"^\033\[1;31merror:\033\[0m workers: expected")


def test_forced_without_a_terminal() -> None:
    outcome = run("--workers=none", env={"FORCE_COLOR": "1"})
    assert outcome.stderr.startswith("\033[1;31merror:\033[0m workers")
    outcome = run("--workers=none", env={"FORCE_COLOR": "1", "NO_COLOR": "1"})
    assert outcome.stderr.startswith("error: workers")
