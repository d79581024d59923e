"""Clients that ask all the time, while something happens to the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event


@contextmanager
def traffic(ask: Callable[[], object], clients: int = 4) -> Iterator[None]:
    """Let clients ask until the end of the block; a request that fails, fails the test.

    :param ask: makes one request, and raises if that fails.
    :param clients: how many ask at the same time.
    """
    stop = Event()

    def ask_on() -> int:
        count = 0
        while not stop.is_set():
            ask()
            count += 1
        return count

    with ThreadPoolExecutor(clients) as pool:
        asking: list[Future[int]] = [pool.submit(ask_on) for _ in range(clients)]
        try:
            yield
        finally:
            stop.set()
        assert all(each.result() for each in asking)
