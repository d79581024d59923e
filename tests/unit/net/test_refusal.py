"""Refusing new clients, and not those who wait already."""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from corn_core.net import bind_all, parse_address
from corn_core.net.refusal import refuse_clients, waiting
from tests.unit.arbiter.fixtures import Lines

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux only")


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def listening(stack: ExitStack, host: str = "127.0.0.1") -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = stack.enter_context(socket.create_server((host, 0), family=family))
    sock.setblocking(False)
    return sock


def connected(stack: ExitStack, sock: socket.socket) -> socket.socket:
    """Connect a client; as far as it knows, it has been accepted."""
    client = stack.enter_context(socket.socket(sock.family))
    client.settimeout(60)
    client.connect(sock.getsockname())
    return client


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_nobody_waits_and_all_are_refused(stack: ExitStack, host: str) -> None:
    sock = listening(stack, host)
    name = sock.getsockname()
    copy = stack.enter_context(sock.dup())
    refuse_clients(sock)
    late = stack.enter_context(socket.socket(sock.family))
    assert late.connect_ex(name) == errno.ECONNREFUSED
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        copy.accept()
    # Another server can have the address, though these descriptors are open.
    stack.enter_context(socket.create_server(name, family=sock.family))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_those_who_wait_are_accepted_and_those_who_come_are_not(
    stack: ExitStack, host: str
) -> None:
    sock = listening(stack, host)
    name = sock.getsockname()
    clients = [connected(stack, sock) for _ in range(3)]
    refuse_clients(sock)
    late = stack.enter_context(socket.socket(sock.family))
    late.setblocking(False)
    # On the loopback a handshake is over when connect(2) returns.
    assert late.connect_ex(name) == errno.EINPROGRESS
    with pytest.raises(OSError, match=os.strerror(errno.ENOTCONN)):
        late.getpeername()
    assert waiting(sock) == 3
    accepted = [stack.enter_context(sock.accept()[0]) for _ in clients]
    refuse_clients(sock)
    # When it tries again it gets an answer.
    assert select.select([], [late], [], 60)[1]
    assert late.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
    for client, server in zip(clients, accepted, strict=True):
        client.sendall(b"question")
        assert server.recv(8) == b"question"
        server.sendall(b"answer")
        assert client.recv(6) == b"answer"


def test_one_that_was_connected_before_may_still_come_into_the_backlog(stack: ExitStack) -> None:
    sock = listening(stack)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 60)
    first, second = connected(stack, sock), connected(stack, sock)
    first.sendall(b"x")
    assert waiting(sock) == 1, "the other one has sent nothing"
    refuse_clients(sock)
    second.sendall(b"x")
    assert waiting(sock) == 2


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_a_unix_socket_refuses_at_once_and_keeps_its_backlog(
    stack: ExitStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "web.sock" if kind == "path" else f"\0corn-test-{os.getpid()}"
    sock = stack.enter_context(socket.socket(socket.AF_UNIX))
    sock.bind(name)
    sock.listen(8)
    sock.setblocking(False)
    client = connected(stack, sock)
    refuse_clients(sock)
    with pytest.raises(ConnectionRefusedError):
        connected(stack, sock)
    server = stack.enter_context(sock.accept()[0])
    client.sendall(b"x")
    assert server.recv(1) == b"x"
    with pytest.raises(BlockingIOError):
        sock.accept()


def test_a_socket_that_does_not_listen_is_left_alone(stack: ExitStack) -> None:
    sock = stack.enter_context(socket.socket())
    sock.bind(("127.0.0.1", 0))
    refuse_clients(sock)
    sock.listen(8)
    closed = socket.socket()
    closed.close()
    refuse_clients(closed)
    again = listening(stack)
    refuse_clients(again)
    refuse_clients(again)


def test_a_descriptor_that_was_passed_goes_on(stack: ExitStack) -> None:
    sock = listening(stack)
    (passed,) = bind_all([parse_address(f"fd://{os.dup(sock.fileno())}")], 8, Lines())
    with closing(passed):
        passed.refuse()
        connected(stack, sock)


def test_a_listener_of_our_own_refuses(stack: ExitStack) -> None:
    (own,) = bind_all([parse_address("127.0.0.1:0")], 8, Lines())
    with closing(own):
        own.refuse()
        with pytest.raises(ConnectionRefusedError):
            connected(stack, own.socket)
