"""Makes things happen to a server; each event leaves it as it found it, or says what is excused."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGSTOP, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2

from corn_testkit.waiting import children, stands_still, wait_for
from tests.chaos.clients import EXCHANGES, PHASES, WEBSOCKET, dribble, trickle, vanish
from tests.chaos.site import PATIENCE, TIMEOUT, Excuse, Site

Event = Callable[[Site, bool], None]
"""Called with the site, and with whether this is the short form."""

DRIBBLERS = 1000


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
    for exchange in (*EXCHANGES, *([WEBSOCKET] if site.worker == "asgi" else [])):
        vanish(site.address, exchange, step=29 if short else 1)
    site.settle(since)
    assert "[ERROR]" not in site.server.log[since:]


def clients_that_dribble(site: Site, short: bool) -> None:
    """Let many clients stay in each phase, getting on by an octet now and then."""
    since = len(site.server.log)
    for phase in PHASES:
        with ExitStack() as stack:
            clients = dribble(site.address, stack, phase, 10 if short else DRIBBLERS)
            for _ in range(2):
                trickle(clients, phase)
                site.served()
    site.settle(since)
