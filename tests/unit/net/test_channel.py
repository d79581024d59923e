"""Channels, in the clear and under TLS: what was sent arrives whole, and ends are told apart."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from corn_core.net.channel import DONTWAIT, RECEIVE, Channel, ChannelFailed, PlainChannel
from corn_core.net.tlschannel import PIECE, Encryption
from corn_testkit.tls import Certificate

LARGE = bytes(range(256)) * 2048


class Peer:
    """The client of a channel: it decrypts, if there is anything to decrypt.

    :ivar received: what it has been sent.
    :ivar ended: whether it has been told that nothing follows.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls: ssl.SSLObject | None = None
        if context is not None:
            self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.received = b""
        self.ended = False

    def shake(self, channel: Channel) -> None:
        """Make the handshake, if there is one."""
        while not channel.established:
            assert self.tls is not None
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            self.sock.sendall(self.outgoing.read())
            channel.handshake()
            self.take()
        channel.flush()

    def say(self, data: bytes) -> None:
        if self.tls is not None:
            self.tls.write(data)
            data = self.outgoing.read()
        self.sock.sendall(data)

    def take(self) -> None:
        """Receive all there is."""
        try:
            while data := self.sock.recv(65536, socket.MSG_DONTWAIT):
                self.incoming.write(data)
        except BlockingIOError:
            pass
        if self.tls is None:
            self.received += self.incoming.read()
            return
        try:
            while data := self.tls.read(65536):
                self.received += data
            self.ended = True
        except ssl.SSLWantReadError:
            return


@pytest.fixture
def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certfile, certificate.keyfile)
    return context


Make = Callable[..., tuple[Channel, Peer]]


@pytest.fixture
def make(server_context: ssl.SSLContext, context: ssl.SSLContext) -> Iterator[Make]:
    opened: list[socket.socket | PlainChannel] = []

    def connect(kind: str, ragged: bool = True) -> tuple[Channel, Peer]:
        client, accepted = socket.socketpair()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        plain = PlainChannel(accepted.family, accepted.type, 0, accepted.detach())
        opened.extend((client, plain))
        if kind == "plain":
            return plain, Peer(client, None)
        return Encryption(server_context, ragged).channel(plain), Peer(client, context)

    yield connect
    for each in opened:
        each.close()


@pytest.fixture(params=["plain", "tls"])
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_nothing_more_and_the_end_are_told_apart(make: Make, kind: str) -> None:
    channel, peer = make(kind)
    peer.shake(channel)
    with pytest.raises(BlockingIOError):
        channel.recv(RECEIVE, DONTWAIT)
    peer.say(b"hello")
    assert channel.recv(RECEIVE, DONTWAIT) == b"hello"
    peer.sock.shutdown(socket.SHUT_WR)
    assert channel.recv(RECEIVE, DONTWAIT) == b""


def test_all_that_was_sent_arrives_once(make: Make, kind: str) -> None:
    """However often a send has to be repeated, and with however much behind the same bytes."""
    channel, peer = make(kind)
    peer.shake(channel)
    rest, refused = memoryview(LARGE), 0
    while rest:
        try:
            sent = channel.send(rest[: 2 * PIECE], DONTWAIT)
        except BlockingIOError:
            refused += 1
            peer.take()
            continue
        assert sent > 0
        rest = rest[sent:]
    peer.take()
    assert refused
    assert peer.received == LARGE
    assert not channel.pending


def test_file_arrives_whole(make: Make, kind: str, tmp_path: Path) -> None:
    channel, peer = make(kind)
    peer.shake(channel)
    (tmp_path / "file").write_bytes(LARGE)
    with open(tmp_path / "file", "rb") as file:
        offset = 1
        while offset < len(LARGE):
            try:
                offset += channel.sendfile(file.fileno(), offset, len(LARGE) - offset)
            except BlockingIOError:
                peer.take()
        assert channel.sendfile(file.fileno(), offset, 1) == 0
    peer.take()
    assert peer.received == LARGE[1:]


@pytest.mark.parametrize("cut", [True, False])
def test_goodbye_does_not_follow_a_part_of_a_message(make: Make, cut: bool) -> None:
    channel, peer = make("tls")
    peer.shake(channel)
    if cut:
        with pytest.raises(BlockingIOError):
            channel.send(LARGE, DONTWAIT)
    # There is room for it, each time.
    for _ in range(len(LARGE) // 4096):
        peer.take()
        channel.goodbye()
        channel.flush()
    assert peer.ended is not cut


def test_handshake_waits_for_the_client(make: Make) -> None:
    channel, peer = make("tls")
    assert not channel.established
    assert not channel.handshake()
    peer.shake(channel)
    assert channel.established
    assert channel.variables()["HTTPS"] == "on"


def test_part_of_a_record_is_neither_nothing_nor_the_end(make: Make) -> None:
    channel, peer = make("tls")
    peer.shake(channel)
    assert peer.tls is not None
    peer.tls.write(b"hello")
    record = peer.outgoing.read()
    peer.sock.sendall(record[:7])
    assert channel.recv(RECEIVE, DONTWAIT) is None
    peer.sock.sendall(record[7:])
    assert channel.recv(RECEIVE, DONTWAIT) == b"hello"


@pytest.mark.parametrize("ragged", [True, False])
def test_goodbye_of_the_client_is_an_end(make: Make, ragged: bool) -> None:
    channel, peer = make("tls", ragged)
    peer.shake(channel)
    assert peer.tls is not None
    peer.tls.write(b"last")
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.unwrap()
    peer.sock.sendall(peer.outgoing.read())
    assert channel.recv(RECEIVE, DONTWAIT) == b"last"
    assert channel.ended


def test_end_without_goodbye_is_an_error_unless_it_is_permitted(make: Make) -> None:
    channel, peer = make("tls", False)
    peer.shake(channel)
    peer.sock.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError):
        channel.recv(RECEIVE, DONTWAIT)


def test_broken_record_is_the_end_of_encryption(make: Make) -> None:
    channel, peer = make("tls")
    peer.shake(channel)
    peer.sock.sendall(b"\x17\3\3\0\x20" + b"x" * 32)
    with pytest.raises(ChannelFailed):
        channel.recv(RECEIVE, DONTWAIT)
    with pytest.raises(ssl.SSLError):
        peer.take()


def test_nothing_is_pending_on_a_broken_connection(make: Make) -> None:
    channel, peer = make("tls")
    peer.shake(channel)
    with closing(peer.sock):
        pass
    with pytest.raises(BrokenPipeError):
        channel.send(b"hello", DONTWAIT)
    assert not channel.pending
