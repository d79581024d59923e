"""Makes things happen to a server; each event leaves it as it found it, or says what is excused."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGSTOP, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2

from corn_core.wsgi.body import MEMORY_LIMIT
from corn_testkit.waiting import children, stands_still, wait_for
from tests.chaos.clients import dribble, vanish
from tests.chaos.site import PATIENCE, TIMEOUT, Excuse, Site

Event = Callable[[Site, bool], None]
"""Called with the site, and with whether this is the short form."""


def kill_worker(site: Site, short: bool) -> None:
    since, victim = len(site.server.log), site.victim()
    site.kill(victim)
    site.settle(since, Excuse(rf"Worker \(pid:{victim}\) was sent SIGKILL"))


def freeze_worker(site: Site, short: bool) -> None:
    """Stop a worker, for less than its timeout."""
    since, victim = len(site.server.log), site.victim()
    site.stop(victim)
    site.hold(TIMEOUT / 4)
    site.go_on(victim)
    site.settle(since)


def freeze_worker_for_long(site: Site, short: bool) -> None:
    """Stop a worker until the master replaces it."""
    since, victim = len(site.server.log), site.victim()
    site.stop(victim)
    site.doom(victim)
    # It cannot act on the master's signals until it is killed, which it is.
    site.ended(victim)
    site.settle(since, Excuse(rf"WORKER TIMEOUT \(pid:{victim}\)"))


def freeze_master(site: Site, short: bool) -> None:
    """Stop the master for longer than its workers' timeout; they go on serving."""
    since = len(site.server.log)
    before = site.workers()
    site.stop(site.server.pid)
    site.hold(TIMEOUT * (1 if short else 2))
    site.served()
    site.go_on(site.server.pid)
    site.settle(since)
    assert site.workers() == before


def suspend_everything(site: Site, short: bool) -> None:
    """Stop all processes, as when the machine sleeps; no worker is to blame."""
    since = len(site.server.log)
    before = site.workers()
    group = site.server.pid
    os.killpg(group, SIGSTOP)
    wait_for(lambda: all(map(stands_still, [group, *before])), "all to stand still", PATIENCE)
    site.hold(TIMEOUT + 2 if short else 10)
    # In any order.
    order = [group, *before]
    site.chance.shuffle(order)
    for pid in order:
        os.kill(pid, SIGCONT)
    site.settle(since, Excuse("The master was held up for"))
    assert site.workers() == before


def hang_up(site: Site, short: bool) -> None:
    since, old = len(site.server.log), site.workers()
    site.server.signal(SIGHUP)
    site.ended(*old)
    site.settle(since, Excuse("Handling signal: hup"))


def reopen_logs(site: Site, short: bool) -> None:
    since = len(site.server.log)
    site.server.signal(SIGUSR1)
    site.settle(since, Excuse("Handling signal: usr1"))


def resize(site: Site, short: bool) -> None:
    since = len(site.server.log)
    site.server.signal(SIGTTIN)
    site.size += 1
    site.workers()
    site.served()
    site.server.signal(SIGTTOU)
    site.size -= 1
    site.settle(since, Excuse("Handling signal: ttin"), Excuse("Handling signal: ttou"))


def upgrade(site: Site, short: bool) -> None:
    """Start a new master beside this one, and end it again."""
    since = len(site.server.log)
    server = site.server
    path = Path(f"{site.pidfile}.2")
    server.signal(SIGUSR2)
    successor = wait_for(lambda: _number_in(path), "the new master", PATIENCE)
    wait_for(lambda: len(children(successor)) == site.size, "its workers", PATIENCE)
    site.served()
    os.kill(successor, SIGTERM)
    site.ended(successor)
    site.settle(since, Excuse("Handling signal: usr2"))


def _number_in(path: Path) -> int:
    try:
        return int(path.read_text() or 0)
    except FileNotFoundError:
        return 0


def clients_that_vanish(site: Site, short: bool) -> None:
    since = len(site.server.log)
    vanish(site.address, step=7 if short else 1)
    site.settle(since)


def clients_that_dribble(site: Site, short: bool) -> None:
    since = len(site.server.log)
    with ExitStack() as stack:
        for client in dribble(site.address, stack, 10 if short else 250):
            client.sendall(b"x")
        site.served()
    site.settle(since)


def no_descriptors_in_the_master(site: Site, short: bool) -> None:
    """Let the master make no other pipe: no worker can be forked until it can again."""
    since, victim = len(site.server.log), site.victim()
    pid = site.server.pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        site.kill(victim)
        site.server.wait_for_log("it cannot be forked: .*Too many open files", deadline=PATIENCE)
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
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
    before = resource.prlimit(pids[0], resource.RLIMIT_NOFILE)
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        site.server.wait_for_log("Cannot accept connections: Too many open files")
    finally:
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    site.settle(since)
    assert site.workers() == pids


def full_disk(site: Site, short: bool) -> None:
    """Fill the disk of the access log, the spool and the pidfile, for a while."""
    if site.disk is None:
        return  # it takes root to make a small one
    since = len(site.server.log)
    filler = site.disk / "filler"
    with suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    long = b"x" * (MEMORY_LIMIT + 1)
    assert site.address.request("POST", "/digest", long).status == 507
    site.server.wait_for_log("Cannot write the access log: .*No space left", deadline=PATIENCE)
    site.server.signal(SIGUSR1)
    site.served()
    filler.unlink()
    assert site.address.request("POST", "/digest", long).status == 200
    told = site.server.log[since:].count("Cannot write the access log")
    # Once by each worker.
    assert told <= site.size
    site.settle(since, Excuse("cannot store the body in .*: No space left on device"))


EVENTS: dict[str, Event] = {
    event.__name__: event
    for event in (
        *(kill_worker, freeze_worker, freeze_worker_for_long, freeze_master, suspend_everything),
        *(hang_up, reopen_logs, resize, upgrade, clients_that_vanish, clients_that_dribble),
        *(no_descriptors_in_the_master, no_descriptors_in_workers, full_disk),
    )
}
