"""A connection under TLS, as a table: what differs from a plain one.

Everything that comes is encrypted by a real client, unless a row says that it is raw.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

import pytest

from corn_core.net import Listener
from corn_core.net.channel import DONTWAIT
from corn_core.net.tlschannel import Encryption
from corn_core.serving.driver import Phase
from corn_core.serving.poller import READABLE, WRITABLE
from tests.unit.serving.bench import LARGE, PIECES, Bench
from tests.unit.serving.securebench import SecureBench
from tests.unit.serving.table import (
    CLOSES,
    END,
    EXPIRES,
    GONE,
    NEW,
    NOTHING,
    RESET,
    STARTED,
    TAKES_ALL,
    Row,
    Step,
    given,
    hears,
    play,
    shown,
    starts,
    starts_with,
)
from tests.unit.wsgi.harness import Server

HANDSHAKE, IDLE, HEAD, BODY = Phase.HANDSHAKE, Phase.IDLE, Phase.HEAD, Phase.BODY
FLUSH, LINGER, CLOSED = Phase.FLUSH, Phase.LINGER, Phase.CLOSED

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
EXPECT = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nHost: x\r\nContent-Length: 5\r\n\r\n"


Message = Callable[[SecureBench], bytes]


def hears_of(name: str, *messages: Message) -> Step:
    """Send these messages as the client, and let them be read."""

    def act(bench: Bench) -> None:
        assert isinstance(bench, SecureBench)
        bench.hear(b"".join([message(bench) for message in messages]))

    return Step(name, act)


def encrypted(data: bytes) -> Message:
    return lambda bench: bench.encrypt(data)


def says(data: bytes) -> Step:
    """Send these bytes as the client, encrypted."""
    return hears_of(shown(data), encrypted(data))


def halves(data: bytes) -> tuple[Step, Step]:
    """Send these bytes in one record, whose parts arrive one after the other."""
    rest: list[bytes] = []

    def first(bench: SecureBench) -> bytes:
        record = bench.encrypt(data)
        rest[:] = [record[5:]]
        return record[:5]

    return hears_of("half a record", first), hears_of("its rest", lambda bench: rest.pop())


def hello_in_halves() -> tuple[Step, Step]:
    """Send the ClientHello in two parts, the second of which begins with a letter."""
    rest: list[bytes] = []

    def first(bench: SecureBench) -> bytes:
        hello = bench.shake()
        middle = hello.index(b"localhost")
        rest[:] = [hello[middle:]]
        return hello[:middle]

    return hears_of("half a hello", first), hears_of("its rest", lambda bench: rest.pop())


def says_hello(bench: Bench) -> None:
    assert isinstance(bench, SecureBench)
    bench.say(bench.shake())


SHAKE: Message = SecureBench.shake
BYE: Message = SecureBench.farewell
STARTS_HELLO = starts("starts with a ClientHello", says_hello)
FINISHED = hears_of("the handshake ends", SHAKE)
HALF_A_REQUEST, REST_OF_IT = halves(GET)
HALF_A_BODY, _ = halves(b"hello")
HALF_A_HELLO, REST_OF_HELLO = hello_in_halves()

SILENT = given("in the handshake", STARTED)
IN_HELLO = given("in a ClientHello", STARTED, HALF_A_HELLO)
SHAKING = given("within the handshake", STARTS_HELLO)
ENCRYPTED = given("idle", STARTS_HELLO, FINISHED)
IN_RECORD = given("in a record", ENCRYPTED, HALF_A_REQUEST)
IN_HEAD = given("in the head", ENCRYPTED, says(b"GET / HT"))
IN_BODY = given("in the body", ENCRYPTED, says(POST + b"he"))
FLUSHING = given("flushing", ENCRYPTED, says(LAST % b"/large"))
LINGERING = given("lingering", ENCRYPTED, says(LAST % b"/"))

TABLE = (
    # HANDSHAKE has the time of a head, from the beginning of the connection.
    Row(NEW, STARTED, HANDSHAKE, "", "watch read", "header"),
    Row(NEW, STARTS_HELLO, HANDSHAKE, "", "watch read", "header"),
    Row(NEW, starts_with(GET), LINGER, "400 end", "watch read", "linger"),
    Row(NEW, starts_with(b"GET / HT"), LINGER, "400 end", "watch read", "linger"),
    Row(NEW, starts_with(b"\x16nonsense"), LINGER, "end", "watch read", "linger"),
    Row(NEW, starts_with(b"G"), LINGER, "400 end", "watch read", "linger"),
    Row(SILENT, NOTHING, HANDSHAKE),
    Row(SILENT, hears(b"\x16"), HANDSHAKE),
    Row(SILENT, END, CLOSED, "end", "forget"),
    Row(SILENT, GONE, CLOSED, "", "forget"),
    Row(SILENT, RESET, CLOSED, "", "forget"),
    Row(SILENT, EXPIRES, CLOSED, "end", "forget"),
    Row(SILENT, CLOSES, CLOSED, "end", "forget"),
    Row(SHAKING, FINISHED, IDLE),
    Row(
        SHAKING,
        hears_of("it ends with a request", SHAKE, encrypted(GET)),
        IDLE,
        "200",
        "GET /",
        "keepalive",
    ),
    Row(
        SHAKING,
        hears_of("it ends with half of one", SHAKE, encrypted(b"GE")),
        HEAD,
        "",
        "",
        "header",
    ),
    Row(SHAKING, hears_of("it ends with goodbye", SHAKE, BYE), CLOSED, "goodbye end", "forget"),
    Row(SHAKING, hears(b"nonsense"), LINGER, "end", "", "linger"),
    Row(SHAKING, END, CLOSED, "end", "forget"),
    Row(SHAKING, EXPIRES, CLOSED, "end", "forget"),
    Row(IN_HELLO, REST_OF_HELLO, HANDSHAKE),
    # What is encrypted means the same as on a plain connection, but every end lingers, and nothing
    # is understood before the record that it is in has come as a whole.
    Row(ENCRYPTED, says(GET), IDLE, "200", "GET /", "keepalive"),
    Row(ENCRYPTED, says(LAST % b"/"), LINGER, "200 goodbye end", "GET /", "linger"),
    Row(ENCRYPTED, says(b"GET"), HEAD, "", "", "header"),
    Row(ENCRYPTED, says(POST), BODY, "", "", "body"),
    Row(ENCRYPTED, says(EXPECT), BODY, "100", "", "body"),
    Row(ENCRYPTED, says(LAST % b"/large"), FLUSH, "", "GET /large, watch write", "write"),
    Row(ENCRYPTED, says(b"NONSENSE\r\n\r\n"), LINGER, "400 goodbye end", "", "linger"),
    Row(ENCRYPTED, HALF_A_REQUEST, IDLE),
    Row(ENCRYPTED, hears(b"nonsense"), LINGER, "alert end", "", "linger"),
    Row(ENCRYPTED, hears_of("goodbye", BYE), CLOSED, "goodbye end", "forget"),
    Row(
        ENCRYPTED,
        hears_of("a request and goodbye", encrypted(GET), BYE),
        CLOSED,
        "200 goodbye end",
        "GET /, forget",
    ),
    Row(ENCRYPTED, END, CLOSED, "goodbye end", "forget"),
    Row(ENCRYPTED, RESET, CLOSED, "", "forget"),
    Row(ENCRYPTED, EXPIRES, CLOSED, "goodbye end", "forget"),
    Row(ENCRYPTED, CLOSES, CLOSED, "goodbye end", "forget"),
    Row(IN_RECORD, REST_OF_IT, IDLE, "200", "GET /", "keepalive"),
    Row(IN_HEAD, says(b"TP/1.1\r\nHost: x\r\n\r\n"), IDLE, "200", "GET /", "keepalive"),
    Row(IN_HEAD, hears_of("goodbye", BYE), LINGER, "400 goodbye end", "", "linger"),
    Row(IN_HEAD, EXPIRES, LINGER, "408 goodbye end", "", "linger"),
    Row(IN_BODY, says(b"llo"), IDLE, "200", "POST / hello", "keepalive"),
    Row(IN_BODY, HALF_A_BODY, BODY, "", "", "body"),
    Row(IN_BODY, hears_of("goodbye", BYE), LINGER, "400 goodbye end", "", "linger"),
    Row(IN_BODY, hears(b"nonsense"), LINGER, "alert end", "", "linger"),
    Row(IN_BODY, EXPIRES, LINGER, "408 goodbye end", "", "linger"),
    Row(FLUSHING, TAKES_ALL, LINGER, "200 goodbye end", "watch read", "linger"),
    Row(FLUSHING, EXPIRES, CLOSED, "end", "forget"),
    Row(LINGERING, hears_of("goodbye", BYE), LINGER),
    Row(LINGERING, END, CLOSED, "", "forget"),
    Row(LINGERING, EXPIRES, CLOSED, "", "forget"),
)

Make = Callable[..., SecureBench]


@pytest.fixture
def make(
    server: Server, listener: Listener, encryption: Encryption, context: ssl.SSLContext
) -> Make:
    return partial(SecureBench, server, listener, encryption, context)


@pytest.fixture
def bench(make: Make) -> Iterator[SecureBench]:
    with closing(make()) as bench:
        yield bench


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_table(row: Row, make: Make) -> None:
    with closing(make(row.event.tcp)) as bench:
        play(row, bench)


@pytest.mark.parametrize("ragged", [False])
def test_end_without_goodbye_is_logged_when_asked_for(server: Server, bench: SecureBench) -> None:
    IN_BODY.act(bench)
    END.act(bench)
    assert bench.connection.phase is CLOSED
    assert "The TLS connection of ip=192.0.2.7 ended without a close_notify" in server.errors


def test_end_without_goodbye_within_a_body_is_an_error(bench: SecureBench) -> None:
    IN_BODY.act(bench)
    END.act(bench)
    bench.take()
    assert bench.seen == ["400", "goodbye", "end"]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (EXPIRES, "TLS handshake with ip=192.0.2.7 took too long"),
        (END, "Client ip=192.0.2.7 left during the TLS handshake"),
        (hears(b"\0\1\2\3\4\5\6\7"), "TLS handshake with ip=192.0.2.7 failed: "),
        (hears(b"\x16\3\1\xff\xff" + b"x" * 1000), "TLS handshake with ip=192.0.2.7 failed: "),
        (hears(b"\x80\x2e\1\3\1" * 99), "TLS handshake with ip=192.0.2.7 failed: "),
        (hears(GET), "a plain HTTP request was sent to a port that speaks HTTPS"),
    ],
    ids=str,
)
def test_failed_handshake_is_logged(
    server: Server, bench: SecureBench, event: Step, line: str
) -> None:
    SILENT.act(bench)
    event.act(bench)
    assert line in server.errors


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_plain_request_is_in_the_logs(server: Server, bench: SecureBench, method: str) -> None:
    """Also of methods by which OpenSSL cannot tell that it is HTTP."""
    bench.say(f"{method} /x?y HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    bench.connection.start()
    bench.take()
    assert bench.seen == ["400", "end"]
    assert b"\r\nConnection: close\r\n" in bench.received
    assert b"a plain HTTP request was sent to a port that speaks HTTPS" in bench.received
    assert f"Invalid request from ip=192.0.2.7: {method} /x?y: a plain HTTP" in server.errors
    assert [line.split()[:4] for line in server.access_lines] == [
        ["192.0.2.7", method, "/x", "400"]
    ]


def test_broken_record_is_logged(server: Server, bench: SecureBench) -> None:
    ENCRYPTED.act(bench)
    bench.hear(b"\x17\3\3\0\x20" + b"x" * 32)
    assert "TLS connection with ip=192.0.2.7 failed: " in server.errors
    assert "bad record mac" in server.errors.lower()


@pytest.mark.parametrize("ragged", [False])
def test_end_without_goodbye_after_the_last_response(server: Server, bench: SecureBench) -> None:
    """Nothing can be missing then."""
    LINGERING.act(bench)
    END.act(bench)
    bench.take()
    assert bench.seen == ["200", "goodbye", "end"]
    assert "close_notify" not in server.errors


def test_no_goodbye_within_a_record(bench: SecureBench) -> None:
    """The client takes some, so that there is room; but what it waits for is the rest."""
    FLUSHING.act(bench)
    bench.take()
    bench.connection.expire()
    assert bench.connection.phase is CLOSED
    assert bench.client.recv(100) == b""


def test_goodbye_behind_two_requests(bench: SecureBench) -> None:
    ENCRYPTED.act(bench)
    bench.hear(bench.encrypt(GET + GET) + bench.farewell())
    assert bench.driver.told[-1] == "postpone"
    bench.connection.advance()
    bench.take()
    assert bench.seen == ["200", "200", "goodbye", "end"]
    assert bench.driver.told[-2:] == ["GET /", "forget"]


def test_response_arrives_whole(bench: SecureBench) -> None:
    bench.driver.while_waiting = bench.take
    ENCRYPTED.act(bench)
    says(LAST % b"/pieces").act(bench)
    bench.take_all()
    assert bench.received.partition(b"\r\n\r\n")[2] == LARGE * PIECES


def test_handshake_that_does_not_fit_into_the_network(bench: SecureBench) -> None:
    """Offer what the client does not take beside reading: it may have to read first."""
    hello, filling = bench.shake(), 0
    try:
        while True:
            filling += bench.sock.send(b"x" * 512, DONTWAIT)
    except BlockingIOError:
        pass
    connection = bench.connection
    bench.say(hello)
    connection.start()
    assert bench.driver.told == ["watch read and write"]
    connection.on_event(READABLE)
    assert connection.phase is HANDSHAKE
    while filling:
        filling -= len(bench.client.recv(filling))
    connection.on_event(WRITABLE)
    assert bench.driver.told == ["watch read and write", "watch read"]
    FINISHED.act(bench)
    says(GET).act(bench)
    bench.take()
    assert bench.seen == ["200"]
