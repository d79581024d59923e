"""Starts servers through a fork server, which has imported corn already.

To import Python's and corn's modules is most of what a server does in a short test, and some
thousand servers of a suite all import the same. See ``corn_testkit.forkserver`` for what is done
instead, and for what is not the same.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

SWITCH = "CORN_TESTKIT_FORKSERVER"
"""The variable that, as ``no``, has a server started as a user starts it."""

_INTERPRETER = ("PYTHON", "LD_", "MALLOC_")
"""Begin the names of variables that matter before the first line of Python runs. A server for
which they differ is started as a user starts it."""


class Process:
    """A server that was forked, with the part of ``subprocess.Popen`` that tests use.

    :ivar returncode: as in ``Popen``: the exit status, or the signal's number, negative; None while
        the process runs.
    """

    def __init__(self, told: IO[bytes]) -> None:
        self._told = told
        self.pid = int(told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit status, without waiting for it."""
        return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status.

        :raises subprocess.TimeoutExpired: when there is none after so many seconds.
        """
        status = self._look(timeout)
        if status is None:
            raise subprocess.TimeoutExpired(f"the server {self.pid}", timeout or 0.0)
        return status

    def _look(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            line = self._told.readline()
            self._told.close()
            # Without a line the fork server has ended, and took its servers' fate with it.
            self.returncode = int(line) if line else -signal.SIGKILL
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send TERM."""
        self.send_signal(signal.SIGTERM)


class Launcher:
    """The fork server, as tests see it.

    :param env: its environment.
    """

    def __init__(self, env: Mapping[str, str]) -> None:
        ours, its = socket.socketpair()
        self._env = _interpreters(env)
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "corn_testkit.forkserver", str(its.fileno())],
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                pass_fds=[its.fileno()],
                start_new_session=True,
            )
        self._socket = ours
        self._lock = threading.Lock()

    def suits(self, env: Mapping[str, str]) -> bool:
        """Tell whether an interpreter with this environment would be as the fork server's is."""
        return env.get(SWITCH) != "no" and _interpreters(env) == self._env

    def start(
        self,
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> Process:
        """Start a server, with an empty standard input and in a session of its own."""
        asked = json.dumps({"command": command, "cwd": str(cwd), "env": dict(env)}).encode()
        told, tell = os.pipe()
        try:
            fds = [stdout.fileno(), stderr.fileno(), tell]
            head = len(asked).to_bytes(4, "big")
            with self._lock:
                socket.send_fds(self._socket, [head], fds)
                self._socket.sendall(asked)
        finally:
            os.close(tell)
        return Process(os.fdopen(told, "rb", buffering=0))

    def close(self) -> None:
        """End the fork server; servers that run go on."""
        self._socket.close()
        self._process.wait()


def _interpreters(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_INTERPRETER)}


_launcher: Launcher | None = None


def launcher(env: Mapping[str, str]) -> Launcher:
    """Return the launcher of this process, which is made when it is first needed.

    :param env: the environment that its servers have, as a rule; matters the first time only.
    """
    global _launcher
    if _launcher is None:
        _launcher = Launcher(env)
        atexit.register(_launcher.close)
    return _launcher
