"""The client's socket in the environ, and applications that take the connection over with it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from corn_core.net import Listener
from corn_core.wsgi import ConnectionInfo, empty_body
from corn_core.wsgi.offered import OfferedSocket
from tests.unit.wsgi.harness import MemorySink, Server, make_request

SWITCH = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
PEER = ("192.0.2.7", 4711)


class Early(ConnectionInfo):
    """A connection on which more has been received than its request."""

    def early(self) -> bytes:
        return b"too early"


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.SocketType]]:
    """The client's end of a connection, and the server's, of the C type as drivers have it."""
    client, server = socket.socketpair()
    client.settimeout(5.0)
    bare = socket.SocketType(server.family, server.type, server.proto, server.detach())
    yield client, bare
    client.close()
    bare.close()


@pytest.fixture
def client(ends: tuple[socket.socket, socket.SocketType]) -> socket.socket:
    return ends[0]


@pytest.fixture
def connection(
    ends: tuple[socket.socket, socket.SocketType], listener: Listener
) -> Iterator[ConnectionInfo]:
    connection = ConnectionInfo(listener, PEER, ends[1])
    yield connection
    # Otherwise the traceback of a failure, which log handlers keep, would keep the socket open.
    if connection.variables:
        connection.variables["corn.socket"].close()


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


# -- the socket ----------------------------------------------------------------------


def test_no_descriptor_before_it_is_used(connection: ConnectionInfo) -> None:
    before = descriptors()
    offered = OfferedSocket(connection)
    assert descriptors() == before
    assert offered.fileno() not in (-1, connection.sock.fileno())
    assert descriptors() == before + 1
    offered.close()
    assert descriptors() == before


def test_all_of_a_python_socket(connection: ConnectionInfo, client: socket.socket) -> None:
    offered = OfferedSocket(connection)
    assert offered.family is socket.AF_UNIX
    assert offered.gettimeout() is None
    client.sendall(b"one\ntwo")
    with offered.makefile("rb") as file:
        assert file.readline() == b"one\n"
    offered.settimeout(0.01)
    with pytest.raises(TimeoutError):
        offered.recv(3) and offered.recv(1)
    offered.sendmsg([b"th", b"ree"])
    assert client.recv(9) == b"three"


def test_with_statement_closes_it(connection: ConnectionInfo) -> None:
    before = descriptors()
    with OfferedSocket(connection) as offered:
        assert offered.gettimeout() is None
        assert descriptors() == before + 1
    assert descriptors() == before


def test_the_server_keeps_its_own(connection: ConnectionInfo, client: socket.socket) -> None:
    OfferedSocket(connection).close()
    connection.sock.send(b"still here")
    assert client.recv(10) == b"still here"


def test_it_waits_on_a_connection_that_was_set_not_to(
    connection: ConnectionInfo, client: socket.socket
) -> None:
    os.set_blocking(connection.sock.fileno(), False)
    with OfferedSocket(connection) as offered:
        assert os.get_blocking(offered.fileno())


@pytest.mark.parametrize(
    ("name", "touched"),
    [("recv", True), ("fileno", True), ("settimeout", True), ("getpeername", False)],
)
def test_looking_takes_nothing(connection: ConnectionInfo, name: str, touched: bool) -> None:
    offered = OfferedSocket(connection)
    assert callable(getattr(offered, name))
    assert connection.touched == touched
    assert not connection.taken
    offered.close()
    assert connection.taken


def test_questions_about_the_object_itself(connection: ConnectionInfo) -> None:
    offered = OfferedSocket(connection)
    assert not hasattr(offered, "__len__")
    assert not hasattr(offered, "__wsgi__")
    assert str(connection.listener) in repr(offered)
    assert not connection.touched


def receive(offered: OfferedSocket) -> bytes:
    data: bytes = offered.recv(4)
    return data


def receive_into(offered: OfferedSocket) -> bytes:
    buffer = bytearray(4)
    return bytes(buffer[: offered.recv_into(buffer)])


def read(offered: OfferedSocket) -> bytes:
    data: bytes = offered.makefile("rb", buffering=0).read(4)
    return data


@pytest.mark.parametrize("take", [receive, receive_into, read])
def test_what_came_early_comes_first(
    ends: tuple[socket.socket, socket.SocketType],
    listener: Listener,
    take: Callable[[OfferedSocket], bytes],
) -> None:
    client, bare = ends
    client.sendall(b", later")
    with OfferedSocket(Early(listener, PEER, bare)) as offered:
        assert offered.recv(3, socket.MSG_PEEK) == b"too"
        assert take(offered) == b"too "
        assert take(offered) == b"earl"
        assert take(offered) == b"y"
        assert take(offered) == b", la"
        assert take(offered) == b"ter"


# -- the request cycle ---------------------------------------------------------------


class Talk:
    """An application that takes the connection over, and ends in some way."""

    def __init__(self, end: Callable[[Any], Any], use: str = "sendall") -> None:
        self.end = end
        self.use = use

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        method = getattr(environ["gunicorn.socket"], self.use)
        if self.use == "sendall":
            method(SWITCH)
        return self.end(start_response)


def stop(_: Any) -> Any:
    raise StopIteration


def fail(_: Any) -> Any:
    raise ValueError("within the talk")


def answer_for_failure(start_response: Any) -> Any:
    start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
    return [b"a page"]


def answer(start_response: Any) -> Any:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]


def run(server: Server, connection: ConnectionInfo, app: Any) -> tuple[bytes, bool]:
    """Answer a request; returns what the server has sent, and whether it keeps the connection."""
    sink = MemorySink()
    request, body = make_request(), empty_body()
    keep = server.cycle(app).run(request, body, connection, sink, True)
    return sink.data, keep


@pytest.mark.parametrize(
    "end", [stop, lambda _: [], lambda _: None, answer], ids=["stop", "list", "none", "answer"]
)
def test_nothing_follows_a_talk(
    server: Server, connection: ConnectionInfo, client: socket.socket, end: Any
) -> None:
    assert run(server, connection, Talk(end)) == (b"", False)
    assert client.recv(100) == SWITCH
    assert server.errors == ""
    assert server.access_lines == ["192.0.2.7 GET / 101 0"]


@pytest.mark.parametrize("end", [stop, lambda _: []], ids=["stop", "list"])
def test_a_descriptor_is_enough_to_say_so(
    server: Server, connection: ConnectionInfo, end: Any
) -> None:
    """An application may give the number to code that knows nothing of Python's sockets."""
    assert run(server, connection, Talk(end, "fileno")) == (b"", False)
    assert server.access_lines == ["192.0.2.7 GET / 101 0"]
    assert connection.taken


def test_whoever_only_looks_gets_its_response_sent(
    server: Server, connection: ConnectionInfo
) -> None:
    data, keep = run(server, connection, Talk(answer, "getpeername"))
    assert data.endswith(b"\r\n\r\nfine")
    assert keep
    assert server.access_lines == ["192.0.2.7 GET / 200 4"]


def test_a_failure_is_logged_and_not_sent(
    server: Server, connection: ConnectionInfo, client: socket.socket
) -> None:
    assert run(server, connection, Talk(fail)) == (b"", False)
    assert client.recv(100) == SWITCH
    assert "ValueError: within the talk" in server.errors
    assert server.access_lines == ["192.0.2.7 GET / 500 0"]


def test_a_framework_s_page_for_a_failure_is_not_sent(
    server: Server, connection: ConnectionInfo
) -> None:
    assert run(server, connection, Talk(answer_for_failure)) == (b"", False)
    assert server.access_lines == ["192.0.2.7 GET / 500 0"]


def test_what_the_talk_returns_is_closed(server: Server, connection: ConnectionInfo) -> None:
    closed = []

    class Result:
        def close(self) -> None:
            closed.append(True)

    run(server, connection, Talk(lambda _: Result()))
    assert closed == [True]


def test_stop_iteration_without_the_socket_is_a_failure(
    server: Server, connection: ConnectionInfo
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        assert environ["corn.socket"].family is socket.AF_UNIX
        raise StopIteration

    assert server.serve(app, connection=connection).status == 500
    assert "StopIteration" in server.errors
