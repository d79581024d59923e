"""The operations performed on a server while it is under load."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGKILL, SIGSTOP, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR2

from corn_testkit.descriptors import open_files
from corn_testkit.server import Server
from corn_testkit.waiting import alive, children, wait_for
from tests.soak.load import Load

PATIENCE = 60.0

Scenario = Callable[[Server, Load, int], None]


def settled(server: Server, count: int, master: int | None = None) -> list[int]:
    """Wait until a master has so many workers; under load, none of them need be idle."""
    pid = master or server.pid
    wait_for(lambda: len(children(pid)) == count, f"{count} workers", PATIENCE)
    return children(pid)


def served(load: Load, count: int) -> None:
    """Wait until so many requests more have been answered."""
    before = load.answered
    wait_for(lambda: load.answered > before + count, f"{count} answers", PATIENCE)


def ended(pids: list[int]) -> None:
    wait_for(lambda: not any(map(alive, pids)), f"the end of {pids}", PATIENCE)


def reload(server: Server, load: Load, times: int) -> None:
    """HUP, again and again; each is complete before the next."""
    for _ in range(times):
        old = settled(server, 2)
        server.signal(SIGHUP)
        ended(old)


def resize(server: Server, load: Load, times: int) -> None:
    """Add a worker, and remove one."""
    for _ in range(times):
        server.signal(SIGTTIN)
        settled(server, 3)
        server.signal(SIGTTOU)
        settled(server, 2)


def recycle(server: Server, load: Load, times: int) -> None:
    """Workers that are worn after some requests, which the server was started with."""
    begun = len(re.findall("Autorestarting worker", server.log))
    server.wait_for_log("Autorestarting worker", count=begun + times, deadline=PATIENCE)


def kill(server: Server, load: Load, times: int) -> None:
    """SIGKILL of a worker that has no connection at that moment."""
    for _ in range(times):
        victim = wait_for(lambda: stop_idle(server), "an idle worker", PATIENCE)
        assert victim is not None
        os.kill(victim, SIGKILL)
        ended([victim])
        settled(server, 2)


def stop_idle(server: Server) -> int | None:
    """Stop a worker while it has no connection; the others go on."""
    for pid in server.workers():
        os.kill(pid, SIGSTOP)
        if connections(pid) == 0:
            return pid
        os.kill(pid, SIGCONT)
    return None


def connections(pid: int) -> int:
    """Count the sockets of a process that do not listen."""
    listening = listening_inodes()
    count = 0
    for target in open_files(pid).values():
        inode = re.fullmatch(r"socket:\[(\d+)\]", target)
        if inode and inode[1] not in listening:
            count += 1
    return count


def listening_inodes() -> set[str]:
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    # State 0A is TCP_LISTEN (proc(5), the kernel's include/net/tcp_states.h).
    return {row[9] for row in rows if row[3] == "0A"}


def upgrade(server: Server, load: Load, times: int) -> None:
    """USR2 and back again; the pidfile tells which master is which."""
    for _ in range(times):
        old = settled(server, 2)
        # Refused as long as the last one is not known to be over.
        wait_for(lambda: new_master(server) is None, "the last new master to be gone", PATIENCE)
        server.signal(SIGUSR2)
        successor = wait_for(lambda: new_master(server), "the new master", PATIENCE)
        assert successor is not None
        settled(server, 2, successor)
        served(load, 50)
        os.kill(successor, SIGTERM)
        ended([successor])
        assert settled(server, 2) == old


def new_master(server: Server) -> int | None:
    """Return the process id in the pidfile that a new master writes."""
    try:
        return int(Path(f"{server.home / 'pid'}.2").read_text())
    except (FileNotFoundError, ValueError):
        return None  # not yet, or not yet all of it


SCENARIOS: dict[str, Scenario] = {
    "HUP": reload,
    "TTIN and TTOU": resize,
    "recycling": recycle,
    "upgrade and rollback": upgrade,
    "SIGKILL of an idle worker": kill,
}
