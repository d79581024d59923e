"""A connection that another protocol takes over: by Upgrade, and by the name chosen with ALPN."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from corn_core.http import Request
from corn_core.net import Listener
from corn_core.net.channel import DONTWAIT, RECEIVE
from corn_core.net.tlschannel import Encryption
from corn_core.serving.connection import Connection
from corn_core.serving.driver import FOREVER, Phase, Stream
from corn_core.serving.poller import READABLE
from corn_core.wsgi import RequestBody
from tests.unit.serving.bench import LARGE, Bench, Recorder
from tests.unit.serving.securebench import EstablishedBench, SecureBench
from tests.unit.wsgi.harness import Server

UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"


class Echo:
    """Speaks a protocol in which everything is answered with the same; it stands for WebSocket."""

    idle = False

    def __init__(self, connection: Connection, early: bytes) -> None:
        self.channel = connection.channel
        self.driver = connection.driver
        self.peer_host = connection.peer_host
        self.fd = connection.fd
        self.deadline = FOREVER
        self.interest = 0
        self.early = early

    def start(self) -> None:
        if self.early:
            self.channel.send(self.early, DONTWAIT)
        self.driver.set_interest(self, READABLE)
        self.interest = READABLE
        # What came in one segment with the end of a handshake, no poller will report.
        self.on_event(READABLE)

    def on_event(self, mask: int) -> None:
        try:
            data = self.channel.recv(RECEIVE, DONTWAIT)
        except BlockingIOError:
            return
        if data:
            self.channel.send(data, DONTWAIT)
        elif data is not None:
            self.close()

    def expire(self) -> None:
        self.close()

    def close(self) -> None:
        self.driver.forget(self)
        self.interest = 0
        self.channel.goodbye()
        self.channel.sock.close()


class UpgradingRecorder(Recorder):
    """A driver that lets every request switch to the protocol echo."""

    def dispatch(self, connection: Stream, request: Request, body: RequestBody) -> None:
        assert isinstance(connection, Connection)
        connection.send(SWITCHING)
        connection.switch(Echo)


@pytest.fixture(params=["plain", "tls"])
def bench(
    request: pytest.FixtureRequest,
    server: Server,
    listener: Listener,
    encryption: Encryption,
    context: ssl.SSLContext,
) -> Iterator[Bench]:
    make: dict[str, Callable[[], Bench]] = {
        "plain": partial(Bench, server, listener),
        "tls": partial(EstablishedBench, server, listener, encryption, context),
    }
    with closing(make[request.param]()) as bench:
        recorder = bench.driver
        bench.connection.driver = bench.driver = UpgradingRecorder(**vars(recorder))
        yield bench


def hear(bench: Bench, data: bytes) -> None:
    """Send as the client, and let what is under the poller hear of it."""
    bench.say(data)
    assert bench.driver.managed is not None
    bench.driver.managed.on_event(READABLE)
    bench.take()


@pytest.mark.parametrize("early", [b"", b"GET /early"], ids=["nothing", "bytes"])
def test_upgraded_connection_goes_on_in_another_protocol(bench: Bench, early: bytes) -> None:
    bench.connection.start()
    hear(bench, UPGRADE + early)
    assert bench.connection.phase is Phase.CLOSED
    assert not bench.connection.interest
    hear(bench, b" hello")
    assert bench.received == SWITCHING + early + b" hello"
    assert bench.driver.told == ["watch read", "forget", "watch read"]
    bench.end()
    assert isinstance(bench.driver.managed, Echo)
    bench.driver.managed.on_event(READABLE)
    bench.take()
    assert bench.seen[-1] == "end"
    assert bench.sock.fileno() < 0


def test_closed_connection_leaves_the_other_protocol_alone(bench: Bench) -> None:
    bench.connection.start()
    hear(bench, UPGRADE)
    # It was on the list of those with a request in the buffer.
    bench.connection.go_on()
    assert bench.sock.fileno() >= 0
    hear(bench, b"hello")
    assert bench.received.endswith(b"hello")


def test_response_on_its_way_is_not_given_away(bench: Bench) -> None:
    bench.connection.send(LARGE)
    with pytest.raises(RuntimeError, match="something to send"):
        bench.connection.switch(Echo)


@pytest.mark.parametrize(
    ("offered", "received"),
    [(["echo", "http/1.1"], b"hello"), (["http/1.1"], b"HTTP/1.1 400 Bad Request"), ([], b"HTTP")],
    ids=["echo", "http", "nothing"],
)
def test_protocol_is_the_one_that_the_client_has_chosen(
    server: Server,
    listener: Listener,
    encryption: Encryption,
    context: ssl.SSLContext,
    offered: list[str],
    received: bytes,
) -> None:
    encryption.context.set_alpn_protocols(["echo", "http/1.1"])
    context.set_alpn_protocols(offered)
    with closing(SecureBench(server, listener, encryption, context)) as bench:
        bench.driver.protocols = {"echo": Echo}
        bench.say(bench.shake())
        bench.connection.start()
        # With the last message of the handshake: the connection must not have read it as HTTP.
        bench.hear(bench.shake() + bench.encrypt(b"hello\r\n\r\n"))
        bench.take()
        assert bench.received.startswith(received)
        assert bench.connection.channel.protocol == (offered[0] if offered else "")
