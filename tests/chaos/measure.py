"""Counts what processes hold, as /proc tells it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from corn_testkit.descriptors import open_files
from tests.soak.measure import all_children, is_zombie


class Held(NamedTuple):
    """Counts what a process has open and has started, at one moment."""

    files: int
    connections: int
    threads: int
    zombies: int


def held(pid: int) -> Held:
    """Count what a process holds; ``files`` are those that are not clients' connections."""
    inodes = sockets(pid)
    ports = client_ports(pid)
    files = open_files(pid)
    return Held(
        files=len(files) - len(inodes) + len(inodes - connected().keys()),
        connections=len(ports),
        threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
        zombies=sum(map(is_zombie, all_children(pid))),
    )


def sockets(pid: int) -> set[str]:
    """Return the inodes of a process's sockets."""
    found = (re.fullmatch(r"socket:\[(\d+)\]", target) for target in open_files(pid).values())
    return {match[1] for match in found if match}


def connected() -> dict[str, int]:
    """Return the other side's port of each TCP connection of this machine, by inode (proc(5))."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    # State 0A is TCP_LISTEN.
    return {row[9]: int(row[2].rpartition(":")[2], 16) for row in rows if row[3] != "0A"}


def client_ports(pid: int) -> set[int]:
    """Return the ports of the clients whose connections a process has accepted."""
    ports = connected()
    return {ports[inode] for inode in sockets(pid) if inode in ports}
