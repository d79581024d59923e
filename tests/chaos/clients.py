"""Clients that know which of their requests failed, and those that misbehave."""

from __future__ import annotations

import http.client
import itertools
import socket
import struct
from contextlib import ExitStack
from threading import Event
from typing import NamedTuple

from corn_testkit.asgi.frames import PING, TEXT, close, frame, handshake
from corn_testkit.client import Address, read_all
from tests.soak.load import TIMEOUT, Asker

PAUSE = 0.03
"""Seconds between two requests of one client: the processor is for what happens meanwhile."""

EXCHANGES = (
    b"POST /mirror?vanish HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody",
    b"POST /digest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"2;a=b\r\nbo\r\n2\r\ndy\r\n0\r\nX-A: b\r\n\r\n",
)
"""What clients ask who leave after each octet of it, and of the answer."""

WEBSOCKET = handshake("/echo") + frame(TEXT, b"vanish") + frame(PING) + close(1000)
"""The same with a worker that speaks WebSocket."""

PHASES = {
    "nothing": b"",
    "head": b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Le",
    "body": b"POST /digest HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nab",
    "chunks": b"POST /digest HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nab",
    "response": b"GET /large?8 HTTP/1.1\r\nHost: x\r\n\r\n",
}
"""How far a client has come that then sends, or reads, hardly anything."""

SMALL_BUFFER = 4096


class Failed(NamedTuple):
    """A request that was not answered as it should; ``port`` is the client's."""

    port: int
    why: str


class Client(Asker):
    """Asks again and again until it is told to stop."""

    def __init__(self, address: Address, name: str, keep: bool, ended: Event) -> None:
        super().__init__(address, name, keep)
        self.answered = 0
        self.failed: list[Failed] = []
        self._ended = ended

    def run(self) -> None:
        for number in itertools.count():
            if self._ended.wait(PAUSE):
                break
            query = f"{self.name}-{number}"
            try:
                self.ask(f"/mirror?{query}", f"GET /mirror {query}")
                self.answered += 1
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(Failed(self.port, f"{type(error).__name__}: {error}"))
                self.close()
        self.close()


class Crowd:
    """Some clients that keep their connections, and some that make one for each request."""

    def __init__(self, address: Address, kept: int, new: int) -> None:
        self._ended = Event()
        self._clients = [
            *(Client(address, f"kept{number}", True, self._ended) for number in range(kept)),
            *(Client(address, f"new{number}", False, self._ended) for number in range(new)),
        ]
        for client in self._clients:
            client.start()

    @property
    def answered(self) -> int:
        return sum(client.answered for client in self._clients)

    def stop(self) -> list[Failed]:
        """End it; returns the requests that failed."""
        self._ended.set()
        for client in self._clients:
            client.join()
        return [failed for client in self._clients for failed in client.failed]


def vanish(address: Address, exchange: bytes, step: int) -> None:
    """Leave after each octet of a request, and of its response; by turns politely and not."""
    answer = _answer_to(address, exchange)
    ends = [*range(0, len(exchange) + len(answer), step), len(exchange) + len(answer)]
    for number, end in enumerate(ends):
        with address.connect(TIMEOUT) as client:
            if number % 2:
                # To close it is to reset it (socket(7), SO_LINGER).
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.sendall(exchange[:end])
            if end > len(exchange):
                client.recv(end - len(exchange), socket.MSG_WAITALL)


def _answer_to(address: Address, exchange: bytes) -> bytes:
    """Return the whole answer, after which the client is the one to close."""
    with address.connect(TIMEOUT) as client:
        client.sendall(exchange)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def dribble(address: Address, stack: ExitStack, phase: str, count: int) -> list[socket.socket]:
    """Open so many connections in a phase, which stay open as long as the stack does."""
    clients = []
    for _ in range(count):
        client = stack.enter_context(address.connect(TIMEOUT))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
        client.sendall(PHASES[phase])
        clients.append(client)
    return clients


def trickle(clients: list[socket.socket], phase: str) -> None:
    """Let each of these clients get on by an octet."""
    for client in clients:
        if phase == "response":
            client.recv(1)
        else:
            client.sendall(b"x")
