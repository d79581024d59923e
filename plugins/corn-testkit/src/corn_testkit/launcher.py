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

from corn_testkit.forkserver import IMPORTS, PATH

SWITCH = "CORN_TESTKIT_FORKSERVER"
"""The variable that, as ``no``, has a server started as a user starts it."""

_INTERPRETER = ("PYTHON", "LD_", "MALLOC_", IMPORTS)
"""Begin the names of variables that matter before the first line of Python runs, or to the fork
server itself. Servers for which they differ do not share one, PYTHONPATH aside."""


class Process:
    """A server that was forked, with the part of ``subprocess.Popen`` that tests use.

    :raises RuntimeError: when the fork server could not start it.
    :ivar returncode: as in ``Popen``: the exit status, or the signal's number, negative; None while
        the process runs.
    """

    def __init__(self, told: IO[bytes]) -> None:
        self._told = told
        line = told.readline()
        if not line:
            raise RuntimeError("the fork server has started nothing; what it wrote says why")
        self.pid = int(line)
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

    @property
    def pid(self) -> int:
        """The process id of the fork server."""
        return self._process.pid

    def fileno(self) -> int:
        """Return the descriptor of the connection with the fork server."""
        return self._socket.fileno()

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


def _for_fork_server(env: Mapping[str, str]) -> Mapping[str, str]:
    """Leave out what each server does by itself: to look for modules elsewhere.

    In a conformance run the fork server imports modules, and has to look there.
    """
    if IMPORTS in env:
        return env
    return {name: value for name, value in env.items() if name != PATH}


MOST = 8
"""Fork servers that a process has at most, beside those of conformance runs."""

_launchers: dict[frozenset[tuple[str, str]], Launcher | None] = {}


def launcher(env: Mapping[str, str]) -> Launcher | None:
    """Return what starts servers that have this environment, or None where that is not worth it.

    It is from the second server on that has the same variables for the interpreter, and from the
    first on in a conformance run, which says what to import because there will be many.
    """
    if env.get(SWITCH) == "no":
        return None
    own = _for_fork_server(env)
    kind = frozenset(_interpreters(own).items())
    if kind not in _launchers:
        _launchers[kind] = None
        if IMPORTS not in env:
            return None
    found = _launchers[kind]
    if found is None and (IMPORTS in env or len(fork_servers()) < MOST):
        found = _launchers[kind] = Launcher(own)
        atexit.register(found.close)
    return found


def fork_servers() -> dict[int, int]:
    """Return the fork servers of this process: the descriptor to talk to each, by process id.

    They belong to the whole run, and not to the test that needs one first.
    """
    return {each.pid: each.fileno() for each in _launchers.values() if each is not None}
