"""Clients that never stop asking, and count what they get.

Every response is compared with its request, so that one which is lost, cut short or given to
another client counts as failed. There are two kinds: those that connect for each request, and
those that keep their connection for as long as the server lets them.
"""

from __future__ import annotations

import http.client
import itertools
from collections import Counter
from dataclasses import dataclass, field
from threading import Event, Thread

from corn_testkit.client import Address

TIMEOUT = 30.0


@dataclass
class Tally:
    """The outcome of one client's requests."""

    sent: int = 0
    answered: int = 0
    failures: Counter[str] = field(default_factory=Counter)


class Asker(Thread):
    """A client that compares every answer with what it expects.

    :ivar port: its own, of the connection that it has or had last.
    """

    def __init__(self, address: Address, name: str, keep: bool) -> None:
        super().__init__(name=name, daemon=True)
        self.port = 0
        self._address = address
        self._keep = keep
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, target: str, expected: str) -> None:
        """Send a request, on the connection that there is or a new one.

        :raises OSError: when the connection fails.
        :raises HTTPException: when the answer is another one.
        """
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", timeout=TIMEOUT)
            sock = self._address.connect(TIMEOUT)
            self._connection.sock, self.port = sock, sock.getsockname()[1]
        self._connection.request("GET", target)
        response = self._connection.getresponse()
        body = response.read().decode()
        if response.status != 200 or body != expected:
            raise http.client.HTTPException(f"{response.status} {body!r}")
        if not self._keep or response.will_close:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Client(Asker):
    """One client, in a thread of its own until it is told to stop."""

    def __init__(self, address: Address, name: str, keep: bool, stop: Event) -> None:
        super().__init__(address, name, keep)
        self.tally = Tally()
        # Not named _stop: a Thread has a method of that name.
        self._ended = stop

    def run(self) -> None:
        for number in itertools.count():
            if self._ended.is_set():
                break
            path = "/slow" if number % 4 == 0 else "/fast"
            query = f"{self.name}-{number}"
            self.tally.sent += 1
            try:
                self.ask(f"{path}?{query}", f"{path} {query}")
            except (OSError, http.client.HTTPException) as error:
                self.tally.failures[f"{type(error).__name__}: {error}"] += 1
                self.close()
            else:
                self.tally.answered += 1
        self.close()


class Load:
    """Some clients that keep their connections, and some that do not."""

    def __init__(self, address: Address, kept: int, new: int) -> None:
        self._stop = Event()
        self._clients = [
            *(Client(address, f"kept{number}", True, self._stop) for number in range(kept)),
            *(Client(address, f"new{number}", False, self._stop) for number in range(new)),
        ]
        for client in self._clients:
            client.start()

    @property
    def answered(self) -> int:
        return sum(client.tally.answered for client in self._clients)

    def stop(self) -> Tally:
        """End it, and add up."""
        self._stop.set()
        total = Tally()
        for client in self._clients:
            client.join()
            total.sent += client.tally.sent
            total.answered += client.tally.answered
            total.failures += client.tally.failures
        return total
