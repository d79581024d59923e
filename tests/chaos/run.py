"""One server's life of misfortune, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from signal import SIGKILL

from corn_testkit.waiting import alive, listening, session_members, wait_for
from tests.chaos import events, scarcity
from tests.chaos.measure import Held, held
from tests.chaos.site import PATIENCE, THREADS, Impossible, Site, site
from tests.soak.measure import holdings

MEBIBYTE = 1024
"""In the unit in which memory is measured."""

WORKERS = ("sync", "gthread", "gevent", "eventlet", "tornado", "aiohttp", "asgi")

EVENTS: dict[str, events.Event] = {
    event.__name__: event
    for event in (
        *(events.kill_worker, events.freeze_worker, events.freeze_worker_for_long),
        *(events.freeze_master, events.suspend_everything, events.hang_up, events.reopen_logs),
        *(events.resize, events.upgrade, events.clients_that_vanish, events.clients_that_dribble),
        *(scarcity.no_descriptors_in_the_master, scarcity.no_descriptors_in_workers),
        *(scarcity.full_disk, scarcity.no_processes, scarcity.no_memory),
    )
}


def half(worker: str) -> list[str]:
    """Choose every other event, so that two workers that are alike have all of them."""
    return list(EVENTS)[WORKERS.index(worker) % 2 :: 2]


def live(worker: str, seed: int, rounds: int, names: list[str], short: bool) -> Iterator[str]:
    """Let these things happen to a server, in another order each round; yields what is next.

    :raises AssertionError: when something is not as it should be.
    """
    chance = random.Random(f"{seed} {worker}")
    with site(worker, chance) as place:
        begun = held(place.server.pid)
        sizes = []
        for _ in range(rounds):
            chance.shuffle(names)
            for name in names:
                yield name
                try:
                    EVENTS[name](place, short)
                except Impossible as reason:
                    yield f"not done: {reason}"
            sizes.append(holdings(place.server.pid, place.server.home).private_kib)
        yield "the end of the load"
        failed = place.quiet()
        assert failed == [], failed
        check(begun, *place.held())
        # The first round has warmed it up.
        assert sizes[-1] - sizes[0] < MEBIBYTE, sizes
        yield "the end of the master"
        end(place)


def check(begun: Held, master: Held, workers: list[Held]) -> None:
    """Check that nothing has been left open by what happened."""
    assert master.files <= begun.files, (begun, master)
    assert (master.threads, master.zombies) == (begun.threads, 0), (begun, master)
    fewest = min(worker.files for worker in workers)
    for worker in workers:
        # A thread may have a clock of its own.
        assert worker.files - fewest <= THREADS + 1, workers
        assert worker.zombies == 0, workers


def end(place: Site) -> None:
    """Kill the master; its workers end by themselves, and nothing listens any more."""
    workers = place.workers()
    place.server.signal(SIGKILL)
    place.server.process.wait()
    wait_for(lambda: not any(map(alive, workers)), "the orphans to end", PATIENCE)
    assert place.server.log.count("Parent changed") == len(workers)
    assert listening(place.address.port) == set()
    assert session_members(place.server.pid) == []
