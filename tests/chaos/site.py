"""A server under load, and what has to be true of it after each event."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from time import monotonic
from typing import NamedTuple

from corn_testkit.server import Server
from corn_testkit.waiting import alive, polls, stands_still, wait_for
from tests.chaos.clients import Crowd, Failed
from tests.chaos.measure import Held, client_ports, held

APPS = Path(__file__).with_name("apps")
PATIENCE = 60.0
WORKERS = 2
THREADS = 4
TIMEOUT = 2
"""The server's ``timeout``: short, so that a worker that stands still is soon noticed."""

BLAMED = re.compile(r"WORKER TIMEOUT|was sent SIG|did not exit within|failed to boot|Traceback")
"""What the log says of a worker that something has happened to."""


class Impossible(Exception):
    """An event cannot be made to happen here; the text says why."""


class Excuse(NamedTuple):
    """Says what an event must have left in the log, and how often."""

    pattern: str
    times: int = 1


class Site:
    """One server with clients. Events act on it, and then call :meth:`settle`.

    :ivar worker: the name of its worker class.
    :ivar disk: a small file system with the access log, the spool and the pidfile, if there is one.
    :ivar pidfile: where the master's is.
    """

    def __init__(
        self,
        server: Server,
        worker: str,
        disk: Path | None,
        chance: random.Random,
        clients: int,
    ) -> None:
        self.server = server
        self.worker = worker
        self.disk = disk
        self.chance = chance
        self.pidfile = (disk or server.home) / "pid"
        self.address = server.address
        self.size = WORKERS
        # The ports of clients whose worker was killed, on purpose, with them.
        self.doomed: set[int] = set()
        self.crowd = Crowd(self.address, kept=clients, new=clients)

    # -- what events do ----------------------------------------------------------------

    def workers(self) -> list[int]:
        """Wait until there are as many workers as there should be, all of which serve."""

        def serving() -> list[int]:
            pids = self.server.workers()
            return pids if len(pids) == self.size and all(map(polls, pids)) else []

        return wait_for(serving, f"{self.size} workers", PATIENCE)

    def victim(self) -> int:
        return self.chance.choice(self.workers())

    def stop(self, pid: int) -> None:
        """Let a process stand still, and note whose connections it has."""
        os.kill(pid, SIGSTOP)
        wait_for(lambda: stands_still(pid), "it to stand still", PATIENCE)

    def doom(self, pid: int) -> None:
        """Note that the clients of a worker that stands still will lose their connections."""
        self.doomed |= client_ports(pid)

    def kill(self, pid: int) -> None:
        """Kill a worker; the clients that it had are excused for what they then miss."""
        self.stop(pid)
        self.doom(pid)
        os.kill(pid, SIGKILL)
        self.ended(pid)

    def go_on(self, pid: int) -> None:
        os.kill(pid, SIGCONT)

    def ended(self, *pids: int) -> None:
        wait_for(lambda: not any(map(alive, pids)), f"the end of {pids}", PATIENCE)

    def served(self, count: int = 10) -> None:
        """Wait until so many requests more have been answered."""
        before = self.crowd.answered
        wait_for(lambda: self.crowd.answered >= before + count, f"{count} answers", PATIENCE)

    def hold(self, seconds: float) -> None:
        """Leave things as they are for some time, which is what the event consists of."""
        end = monotonic() + seconds
        wait_for(lambda: monotonic() >= end, "the time to pass", seconds + PATIENCE)

    # -- what is true afterwards -------------------------------------------------------

    def settle(self, since: int, *excuses: Excuse) -> None:
        """Check that all is well again, and that the log has explained what happened once.

        :param since: the length of the log before the event.
        :param excuses: what it must say, and no more of a worker's misfortune than this.
        """
        self.workers()
        self.served()
        for pattern, times in excuses:
            self.server.wait_for_log(pattern, self._earlier(pattern, since) + times, PATIENCE)
            found = len(re.findall(pattern, self.server.log[since:]))
            assert found == times, f"the log explains it {found} times: {pattern}"
        told = sum(excuse.times for excuse in excuses if BLAMED.search(excuse.pattern))
        blamed = BLAMED.findall(self.server.log[since:])
        assert len(blamed) == told, f"the log blames workers: {blamed}"

    def _earlier(self, pattern: str, since: int) -> int:
        return len(re.findall(pattern, self.server.log[:since]))

    def quiet(self) -> list[Failed]:
        """End the load; returns the requests that failed although their worker was not killed."""
        failed = self.crowd.stop()
        return [one for one in failed if one.port not in self.doomed]

    def held(self) -> tuple[Held, list[Held]]:
        """Return what the master and the workers hold once no client is there."""
        pids = self.workers()
        wait_for(lambda: not any(map(client_ports, pids)), "all connections to end", PATIENCE)
        return held(self.server.pid), [held(pid) for pid in pids]


@contextmanager
def small_disk(path: Path) -> Iterator[Path | None]:
    """Mount a file system of 16 MB, for which one has to be root; yields None otherwise."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "chaos", str(path)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        yield None
        return
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@contextmanager
def site(
    worker: str,
    chance: random.Random,
    *flags: str,
    clients: int = 2,
    env: Mapping[str, str] | None = None,
    small: bool = True,
) -> Iterator[Site]:
    """Start a server with load on it; yields it, and ends whatever is left of it.

    :param clients: how many of each kind make the load; none on a server that speaks TLS.
    :param env: what else is in its environment.
    :param small: whether it gets a small disk, if that is possible.
    """
    home = Path(tempfile.mkdtemp(prefix="chaos-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home)
        disk = stack.enter_context(small_disk(home / "disk")) if small else None
        place = disk or home
        threads = (f"--threads={THREADS}",) if worker in ("gthread", "aiohttp") else ()
        config = home / "config.py"
        config.write_text(f"tmp_upload_dir = {str(place)!r}\n")
        server = Server(
            home,
            [
                *("--bind=127.0.0.1:0", f"--workers={WORKERS}", f"--worker-class={worker}"),
                *(f"--timeout={TIMEOUT}", "--graceful-timeout=5", "--keep-alive=30", *threads),
                *(f"--pid={place / 'pid'}", f"--access-logfile={place / 'access.log'}"),
                *(f"--config={config}", *flags, f"victim:{'asgi' if worker == 'asgi' else 'app'}"),
            ],
            APPS,
            env,
        )
        # Also what stands still; and it shows the log, which pytest prints if the test failed.
        stack.callback(server.kill)
        server.started()
        server.wait_for_workers(WORKERS)
        made = Site(server, worker, disk, chance, clients)
        stack.callback(made.crowd.stop)
        if clients:
            made.served()
        yield made
