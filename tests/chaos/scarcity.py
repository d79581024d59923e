"""Takes from a server what it needs for a while: descriptors, processes, memory, a disk."""

from __future__ import annotations

import os
import re
import resource
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGUSR1

from corn_core.wsgi.body import MEMORY_LIMIT
from corn_testkit.client import Address
from corn_testkit.waiting import wait_for
from tests.chaos.site import PATIENCE, THREADS, Excuse, Impossible, Site

LINGER = 0.2
"""Seconds that a request takes which makes a worker want another thread."""

MEBIBYTES = 64
"""What a request needs that is not to be had, of memory."""

HOARDERS = 4

PIDS = Path("/sys/fs/cgroup/pids")
"""Version 1 of cgroups, which counts the processes of a group and of those below it."""


def no_descriptors_in_the_master(site: Site, short: bool) -> None:
    """Let the master make no other pipe: no worker can be forked until it can again."""
    since, victim = len(site.server.log), site.victim()
    pid = site.server.pid
    with _limited(resource.RLIMIT_NOFILE, {pid: 3}):
        site.kill(victim)
        site.server.wait_for_log("it cannot be forked: .*Too many open files", deadline=PATIENCE)
    site.workers()
    site.served()
    failures = site.server.log[since:].count("failed to boot")
    site.settle(
        since,
        Excuse(rf"Worker \(pid:{victim}\) was sent SIGKILL"),
        Excuse("A worker failed to boot: it cannot be forked", failures),
    )


def no_descriptors_in_workers(site: Site, short: bool) -> None:
    """Workers can accept nothing for a while; clients wait, and none is refused."""
    since = len(site.server.log)
    pids = site.workers()
    with _limited(resource.RLIMIT_NOFILE, dict.fromkeys(pids, 3)):
        site.server.wait_for_log("Cannot accept connections: Too many open files")
    site.settle(since)
    assert site.workers() == pids


def full_disk(site: Site, short: bool) -> None:
    """Fill the disk of the access log, the spool and the pidfile, for a while."""
    if site.disk is None:
        raise Impossible("only root can mount a small disk")
    since = len(site.server.log)
    filler = site.disk / "filler"
    with suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    long = b"x" * (MEMORY_LIMIT + 1)
    # The asgi worker hands the body on as it comes, and does not store it.
    stores = site.worker != "asgi"
    assert site.address.request("POST", "/digest", long).status == (507 if stores else 200)
    site.server.wait_for_log("Cannot write the access log: .*No space left", deadline=PATIENCE)
    site.server.signal(SIGUSR1)
    site.served()
    filler.unlink()
    assert site.address.request("POST", "/digest", long).status == 200
    told = site.server.log[since:].count("Cannot write the access log")
    # Once by each worker.
    assert told <= site.size
    refused = Excuse("cannot store the body in .*: No space left on device")
    site.settle(since, *([refused] if stores else []))


def no_processes(site: Site, short: bool) -> None:
    """Let there be room for neither a process nor a thread more: what is there goes on serving."""
    since, victim = len(site.server.log), site.victim()
    with as_many_as_there_are(site):
        linger(site.address, 2 * THREADS)
        site.kill(victim)
        site.server.wait_for_log("it cannot be forked: .*temporarily unavail", deadline=PATIENCE)
        site.served()
    site.workers()
    linger(site.address, 2 * THREADS)
    failures = site.server.log[since:].count("failed to boot")
    site.settle(
        since,
        Excuse(rf"Worker \(pid:{victim}\) was sent SIGKILL"),
        Excuse("A worker failed to boot: it cannot be forked", failures),
    )


@contextmanager
def as_many_as_there_are(site: Site) -> Iterator[None]:
    """Keep the server from starting a process or a thread meanwhile.

    :raises Impossible: when the system does not offer a way.
    """
    pids = [site.server.pid, *site.workers()]
    # Root is above the limit of processes for each user.
    none = _limited(resource.RLIMIT_NPROC, dict.fromkeys(pids, 0))
    with none if os.geteuid() else _in_a_full_group(pids):
        yield


@contextmanager
def _limited(kind: int, limits: Mapping[int, int]) -> Iterator[None]:
    """Set a limit of each of these processes for a while, in the terms of setrlimit(2)."""
    before = {pid: resource.prlimit(pid, kind) for pid in limits}
    for pid, limit in limits.items():
        resource.prlimit(pid, kind, (limit, before[pid][1]))
    try:
        yield
    finally:
        for pid, both in before.items():
            with suppress(ProcessLookupError):
                resource.prlimit(pid, kind, both)


@contextmanager
def _in_a_full_group(pids: Sequence[int]) -> Iterator[None]:
    membership = re.search(r":pids:/(.*)", Path("/proc/self/cgroup").read_text())
    group = PIDS / (membership[1] if membership else "")
    if not os.access(group / "cgroup.procs", os.W_OK):
        raise Impossible("root has no limit of processes, and a cgroup of them cannot be made")
    child = group / f"chaos-{pids[0]}"
    child.mkdir()
    try:
        _move(pids, child)
        (child / "pids.max").write_text("0")
        yield
    finally:
        (child / "pids.max").write_text("max")
        wait_for(lambda: _removed(child, group), "the cgroup to be empty", PATIENCE)


def _move(pids: Iterable[int], group: Path) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid))


def _removed(group: Path, parent: Path) -> bool:
    """Move the processes of a cgroup, and remove it.

    :return: False while there is still a process in it: one that another has forked just now, or
        one that was not reaped.
    """
    _move(map(int, (group / "cgroup.procs").read_text().split()), parent)
    with suppress(OSError):
        group.rmdir()
    return not group.exists()


def linger(address: Address, count: int) -> None:
    """Ask for so many answers at once, each of which takes a while."""
    with ThreadPoolExecutor(count) as clients:
        path = f"/linger?{LINGER}"
        replies = clients.map(lambda _: address.request("GET", path).text, range(count))
        assert set(replies) == {"lingered"}


def no_memory(site: Site, short: bool) -> None:
    """Let requests need more memory than there is: they fail, and nothing else does."""
    since, pids = len(site.server.log), site.workers()
    with memory_left(pids, MEBIBYTES << 19):  # half of what is asked for
        for _ in range(HOARDERS):
            assert site.address.request("GET", f"/hoard?{MEBIBYTES}").status == 500
        site.served()
    assert site.server.get(f"/hoard?{MEBIBYTES}") == f"hoarded {MEBIBYTES}"
    site.settle(since, Excuse(r"Error handling request /hoard.*\nTraceback", HOARDERS))
    assert site.workers() == pids


@contextmanager
def memory_left(pids: Sequence[int], room: int) -> Iterator[None]:
    """Let processes have so many octets more than they have now, and no others."""
    with _limited(resource.RLIMIT_AS, {pid: address_space(pid) + room for pid in pids}):
        yield


def address_space(pid: int) -> int:
    """Return the octets of a process's address space."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()
