"""Workers that have no memory left for anything, their own work included."""

from __future__ import annotations

import http.client
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from corn_core.wsgi.body import MEMORY_LIMIT
from corn_testkit.client import Address
from corn_testkit.waiting import wait_for
from tests.chaos.measure import client_ports
from tests.chaos.scarcity import linger, memory_left
from tests.chaos.site import PATIENCE, THREADS, site

ROOM = 400_000
"""Octets that each worker may still have; a thread, or a buffer of the system's, needs more."""

REQUESTS = 150
TOGETHER = 16


def starved(worker: str, seed: int) -> None:
    """Let workers answer what they can, and see that it leaves no trace when there is memory again.

    :raises AssertionError: when a connection stays open, or a request is not answered afterwards.
    """
    # What is lost is found by its deadline.
    flags = ("--header-timeout=2", "--timeout=30")
    with site(worker, random.Random(seed), *flags, clients=0, small=False) as place:
        linger(place.address, 4 * THREADS)  # so that they have threads
        with memory_left(place.workers(), ROOM), ThreadPoolExecutor(TOGETHER) as clients:
            list(clients.map(lambda number: _ask(place.address, number), range(REQUESTS)))
        pids = place.workers()
        wait_for(lambda: not any(map(client_ports, pids)), "all connections to end", PATIENCE)
        linger(place.address, 4 * THREADS)


def _ask(address: Address, number: int) -> None:
    # Whatever the answer is, or none: the request may be the one that needs too much.
    with suppress(OSError, http.client.HTTPException):
        if number % 3 == 0:
            address.request("POST", "/digest", bytes(MEMORY_LIMIT * (number % 2 + 1) - 1))
        elif number % 3 == 1:
            address.request("GET", f"/large?{number}")
        else:
            address.request("GET", "/linger?0.05")
