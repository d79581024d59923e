"""Tell a PROXY header, which may come before a request, from a request, and take it off whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from time import monotonic
from typing import NamedTuple

import pytest

from corn_core.net import Listener
from corn_core.net.proxy import V1, V2
from corn_core.serving.connection import Connection
from corn_core.serving.poller import READABLE
from corn_core.serving.proxy import ProxyHeaderReader
from corn_core.serving.settings import ProxyPolicy
from tests.unit.serving.bench import Bench, kind_of
from tests.unit.wsgi.harness import Server

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
LINE = b"PROXY TCP4 203.0.113.9 192.0.2.1 5555 80\r\n"
UNKNOWN = b"PROXY UNKNOWN\r\n"
BINARY = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x09\xc0\x00\x02\x01\x15\xb3\x00\x50"
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
CLIENT = ("203.0.113.9", 5555)


class ProxiedBench(Bench):
    """A connection that begins with a PROXY header, of a proxy that is trusted or is not."""

    def __init__(
        self, server: Server, listener: Listener, trusted: bool = True, tcp: bool = False
    ) -> None:
        policy = ProxyPolicy(frozenset((V1, V2)), lambda peer: trusted)
        super().__init__(server, listener, tcp, {"proxy": policy})
        self.header = ProxyHeaderReader(self.driver, listener, self.sock, ("192.0.2.7", 4711))

    def read(self) -> None:
        """Let the poller say that there is something to read."""
        (self.driver.managed or self.header).on_event(READABLE)

    @property
    def source(self) -> object:
        """Return whose connection it is, by what the proxy says."""
        connection = self.driver.managed
        assert isinstance(connection, Connection)
        return connection.proxy and connection.proxy.source


class Case(NamedTuple):
    """List what arrives, piece by piece, and what comes of it.

    :param told: what the driver and the application are told.
    :param source: the client that the proxy names.
    """

    name: str
    pieces: tuple[bytes, ...]
    told: str
    source: object = None
    seen: str = "200"
    trusted: bool = True

    def __str__(self) -> str:
        return self.name


def dribble(data: bytes) -> tuple[bytes, ...]:
    return tuple(bytes([byte]) for byte in data)


AT_ONCE = "GET /, watch read"
LATER = "watch read, forget, GET /, watch read"
WAITS = "watch read, forget, watch read, GET /"

CASES = (
    Case("a line and a request", (LINE + GET,), AT_ONCE, CLIENT),
    Case("a line, then a request", (LINE, GET), "watch read, GET /", CLIENT),
    Case("a line in two", (LINE[:9], LINE[9:] + GET), LATER, CLIENT),
    Case("a line in three", (LINE[:1], LINE[1:-1], LINE[-1:] + GET), LATER, CLIENT),
    Case("a line in two, then a request", (LINE[:-1], LINE[-1:], GET), WAITS, CLIENT),
    Case("a line and a request in bytes", dribble(LINE + GET), WAITS, CLIENT),
    Case("bytes and a request in bytes", dribble(BINARY + GET), WAITS, CLIENT),
    Case("a request in bytes", dribble(GET), "watch read, GET /"),
    Case(
        "a method like a header, in bytes",
        dribble(GET.replace(b"GET", b"PROPFIND")),
        WAITS.replace("GET", "PROPFIND"),
    ),
    Case("a line of an unknown client", (UNKNOWN + GET,), AT_ONCE),
    Case("bytes and a request", (BINARY + GET,), AT_ONCE, CLIENT),
    Case("bytes in two", (BINARY[:14], BINARY[14:] + GET), LATER, CLIENT),
    Case("bytes in two, after a line's end", (BINARY[:2], BINARY[2:] + GET), LATER, CLIENT),
    Case("bytes of the proxy's own", (LOCAL + GET,), AT_ONCE),
    Case("a request", (GET,), AT_ONCE),
    Case("an empty line, then a request", (b"\r\n", GET), LATER),
    Case("P, and a request", (POST[:1], POST[1:]), LATER.replace("GET", "POST")),
    Case("silence, and a request", (b"", GET), LATER),
    Case("a second line", (LINE + LINE,), "watch read", CLIENT, "400 end"),
    Case("a malformed line", (b"PROXY TCP4 x\r\n",), "watch read", None, "400 end"),
    Case("a line without end", (b"PROXY " + b"x" * 120,), "watch read", None, "400 end"),
    Case("too many bytes", (BINARY[:14] + b"\xff\xff",), "watch read", None, "400 end"),
    Case(
        "a malformed line in two",
        (b"PROXY TC", b"P9 x\r\n"),
        "watch read, forget, watch read",
        None,
        "400 end",
    ),
    Case("a line of a client", (LINE + GET,), "watch read", None, "403 end", trusted=False),
    Case("half a line of a client", (LINE[:3],), "watch read", None, "403 end", trusted=False),
    Case("a request of a client", (GET,), AT_ONCE, trusted=False),
)

Make = Callable[..., ProxiedBench]


@pytest.fixture
def make(server: Server, listener: Listener) -> Make:
    return partial(ProxiedBench, server, listener)


@pytest.fixture
def bench(make: Make) -> Iterator[ProxiedBench]:
    with closing(make()) as bench:
        yield bench


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_arrives(case: Case, make: Make) -> None:
    with closing(make(trusted=case.trusted)) as bench:
        bench.say(case.pieces[0])
        bench.header.start()
        for piece in case.pieces[1:]:
            bench.say(piece)
            bench.read()
        bench.take()
        assert (", ".join(bench.driver.told), " ".join(bench.seen)) == (case.told, case.seen)
        assert bench.source == case.source


@pytest.mark.parametrize("pieces", [(b"",), (b"PROXY T",)], ids=["at its beginning", "within"])
@pytest.mark.parametrize("leave", [Bench.end, Bench.reset], ids=["end", "reset"])
def test_client_that_leaves(
    make: Make, pieces: tuple[bytes], leave: Callable[[Bench], None]
) -> None:
    with closing(make(tcp=True)) as bench:
        bench.say(pieces[0])
        bench.header.start()
        leave(bench)
        bench.read()
        assert bench.driver.told == ["watch read", "forget"]
        assert bench.sock.fileno() < 0


def test_header_has_the_time_of_a_head(bench: ProxiedBench) -> None:
    assert kind_of(bench.header.deadline, monotonic()) == "header"
    assert not bench.header.idle
    bench.say(LINE)
    bench.header.start()
    assert bench.driver.managed is not None
    assert kind_of(bench.driver.managed.deadline, monotonic()) == "header"


@pytest.mark.parametrize(
    ("piece", "told", "seen"),
    [
        (b"", ["watch read", "forget"], ["end"]),
        (b"PROXY T", ["watch read", "forget", "watch read"], ["400", "end"]),
    ],
    ids=["nothing", "half a line"],
)
def test_time_is_up(bench: ProxiedBench, piece: bytes, told: list[str], seen: list[str]) -> None:
    bench.say(piece)
    bench.header.start()
    bench.header.expire()
    bench.take()
    assert (bench.driver.told, bench.seen) == (told, seen)
