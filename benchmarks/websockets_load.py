"""WebSocket clients cheap enough to keep a server busy."""

from __future__ import annotations

import selectors
import socket
from contextlib import ExitStack
from time import perf_counter
from typing import cast

from measure import Failed

SIZE = 125
"""Octets of a message: the most that a frame's length takes one octet for."""

HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MASK = b"\x12\x34\x56\x78"
MESSAGE = b"m" * SIZE
FRAME = bytes([0x82, 0x80 | SIZE]) + MASK + bytes(o ^ MASK[i % 4] for i, o in enumerate(MESSAGE))
ANSWER = bytes([0x82, SIZE]) + MESSAGE


def open_sockets(port: int, count: int, clients: ExitStack) -> list[socket.socket]:
    """Open so many WebSockets, one after another."""
    opened = []
    for _ in range(count):
        client = clients.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.sendall(HANDSHAKE)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _some(client)
        if not answer.startswith(b"HTTP/1.1 101"):
            raise Failed(f"no WebSocket: {answer[:100]!r}")
        opened.append(client)
    return opened


def check_echo(client: socket.socket) -> None:
    """Send a message and wait for its echo."""
    client.sendall(FRAME)
    answer = b""
    while len(answer) < len(ANSWER):
        answer += _some(client)
    if answer != ANSWER:
        raise Failed(f"not an echo: {answer[:100]!r}")


def echo(port: int, connections: int, seconds: float) -> int:
    """Have each socket send its next message when it has the last one back; count those."""
    with ExitStack() as clients, selectors.DefaultSelector() as selector:
        sockets = open_sockets(port, connections, clients)
        missing = dict.fromkeys(sockets, len(ANSWER))
        for client in sockets:
            selector.register(client, selectors.EVENT_READ)
            client.sendall(FRAME)
        count = 0
        end = perf_counter() + seconds
        while perf_counter() < end:
            for key, _ in selector.select(1):
                client = cast(socket.socket, key.fileobj)
                missing[client] -= len(_some(client))
                if not missing[client]:
                    count += 1
                    missing[client] = len(ANSWER)
                    client.sendall(FRAME)
        return count


def _some(client: socket.socket) -> bytes:
    data = client.recv(65536)
    if not data:
        raise Failed("the server has closed a WebSocket")
    return data
