"""The worker class under test, and servers that use it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from corn_testkit.forkserver import IMPORTS
from corn_testkit.recording import Recording
from corn_testkit.server import (
    APPS,
    ASGI_APPS,
    COMMAND,
    DESCRIBE,
    Server,
    environment,
    run_command,
)
from corn_testkit.waiting import alive, polls, wait_for


class NoCandidate(Exception):
    """No server can be started with this worker class; the text is what the server says."""


@dataclass(frozen=True)
class Candidate:
    """A worker class, by its name for ``-k``, and what it declares.

    :param options: what else is on the command line of each server.
    :param multithread: whether several requests may be in the application at once.
    :param modules: what each of its servers imports, and a fork server may import before.
    """

    name: str
    options: tuple[str, ...]
    class_name: str
    capabilities: frozenset[str]
    multithread: bool
    modules: tuple[str, ...]

    @classmethod
    def find(cls, name: str, options: tuple[str, ...]) -> Candidate:
        """Ask the class itself.

        :raises NoCandidate: when there is no such class, or it refuses the options.
        """
        done = run_command([*DESCRIBE, "-k", name, *options, "probe:app"], APPS, variables())
        if done.returncode:
            raise NoCandidate(done.stderr.strip())
        found = json.loads(done.stdout)
        return cls(
            name,
            options,
            found["class_name"],
            frozenset(found["capabilities"]),
            found["multithread"],
            # What is said while they are imported is for the log of each server.
            () if done.stderr else tuple(found["modules"]),
        )

    @property
    def apps(self) -> Path:
        """The directory of the kit's applications that this worker can serve."""
        return ASGI_APPS if "asgi" in self.capabilities else APPS

    def lacks(self, names: tuple[str, ...]) -> str | None:
        """Why a test that needs these capabilities is skipped; None when it is not."""
        missing = [name for name in names if name not in self.capabilities]
        return f"worker {self.name} does not declare {', '.join(missing)}" if missing else None

    def has(self, names: tuple[str, ...]) -> str | None:
        """Why a test of workers without these capabilities is skipped; None when it is not."""
        present = [name for name in names if name in self.capabilities]
        return f"worker {self.name} declares {', '.join(present)}" if present else None


def variables(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Make the environment of a server, which looks for classes where pytest runs."""
    path = os.pathsep.join(filter(None, (os.getcwd(), os.environ.get("PYTHONPATH"))))
    shown = {"PYTHONPATH": path, "PYTHONWARNINGS": "default::ResourceWarning"}
    return environment({**shown, **(extra or {})})


class Subject(Server):
    """A server with the worker class under test, whose calls of hooks are recorded."""

    def __init__(
        self,
        candidate: Candidate,
        home: Path,
        *arguments: str,
        app: str = "probe:app",
        bind: tuple[str, ...] = ("127.0.0.1:0",),
        env: Mapping[str, str] | None = None,
        command: str = COMMAND,
    ) -> None:
        self.recording = Recording(home)
        line = [
            *("-k", candidate.name, self.recording.argument),
            *(f"--bind={address}" for address in bind),
            *(*candidate.options, *arguments, app),
        ]
        shown = {IMPORTS: " ".join(candidate.modules), **self.recording.env, **(env or {})}
        super().__init__(home, line, candidate.apps, variables(shown), command)

    def ready(self, count: int = 1) -> list[int]:
        """Wait until there are exactly so many workers, all of which have booted."""

        def booted() -> list[int] | None:
            pids = self.workers()
            done = {call.pid for call in self.recording.of("post_worker_init")}
            if len(pids) != count or not done.issuperset(pids):
                return None
            # That hook is not the last of booting, and it matters to what a signal does.
            return pids if all(map(polls, pids)) else None

        return wait_for(booted, f"{count} workers") or []

    @property
    def worker(self) -> int:
        """The only worker, when it has booted."""
        return self.ready()[0]

    def wait_for_end_of(self, pid: int) -> None:
        wait_for(lambda: not alive(pid), f"worker {pid} to end")


class Start(Protocol):
    """Starts a server with the worker under test, and waits until it has booted."""

    def __call__(
        self,
        *arguments: str,
        app: str = "probe:app",
        bind: tuple[str, ...] = ("127.0.0.1:0",),
        env: Mapping[str, str] | None = None,
        workers: int = 1,
    ) -> Subject: ...
