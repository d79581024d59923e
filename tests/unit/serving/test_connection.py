"""A connection, as a table: in each phase, what each event makes of it.

Each row drives a real connection with a real request cycle over a socket pair, in the clear and
under TLS.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import closing

import pytest

from corn_core.net import Listener
from corn_core.net.tlschannel import Encryption
from corn_core.serving.driver import Phase
from tests.unit.serving.bench import LARGE, Bench
from tests.unit.serving.securebench import EstablishedBench
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
    TAKES_SOME,
    Row,
    Step,
    given,
    hears,
    play,
    reads,
    starts,
    starts_with,
    writes,
)
from tests.unit.wsgi.harness import Server

IDLE, HEAD, BODY = Phase.IDLE, Phase.HEAD, Phase.BODY
FLUSH, LINGER, CLOSED = Phase.FLUSH, Phase.LINGER, Phase.CLOSED

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
GET_LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LAST_LARGE = b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
CHUNKS = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
EXPECT = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
NONSENSE = b"NONSENSE\r\n\r\n"


def lend(bench: Bench) -> None:
    bench.driver.lends = True


def expect_and_leave(bench: Bench) -> None:
    bench.say(EXPECT)
    bench.leave()


def finishes(keep: bool, linger: bool = False, response: bytes = b"") -> Callable[[Bench], None]:
    """Produce a response, of which the client takes what fits into the network."""

    def act(bench: Bench) -> None:
        bench.connection.send(b"HTTP/1.1 200 OK\r\n\r\n" + response)
        bench.connection.finish(keep, linger)

    return act


KEPT = Step("answered, kept", finishes(keep=True))
ENDED = Step("answered, not kept", finishes(keep=False))
GIVEN_BACK = Step("answered elsewhere", Bench.give_back)
LEAVES = writes("the client leaves", Bench.leave)
RESETS = writes("the client resets, unread", Bench.reset, tcp=True)
EXPECTS_AND_LEAVES = reads("expects, and is gone", expect_and_leave)
STARTS_ENDED = starts("starts after its end", Bench.end)
STARTS_RESET = starts("starts after a reset", Bench.reset, tcp=True)

SILENT = given("idle", STARTED)
USED = given("idle after a request", starts_with(GET))
IN_HEAD = given("in the head", STARTED, hears(b"GET / HT"))
NEXT_HEAD = given("in the next head", starts_with(GET), hears(b"GET / HT"))
IN_BODY = given("in the body", STARTED, hears(POST + b"he"))
IN_CHUNK = given("in a chunk", STARTED, hears(CHUNKS + b"5\r\nhe"))
CONTINUED = given("told to go on", STARTED, hears(EXPECT))
LENT = given("away", lend, STARTED, hears(GET))
LENT_MORE = given("away, and more is here", lend, STARTED, hears(GET + GET))
LENT_LARGE = given("away for long", lend, STARTED, hears(GET_LARGE))
FLUSHING = given("flushing", STARTED, hears(GET_LARGE))
FLUSHING_LAST = given("flushing the last", STARTED, hears(LAST_LARGE))
FLUSHING_MORE = given("flushing the last, and more is here", STARTED, hears(LAST_LARGE + GET))
FLUSHING_REFUSAL = given(
    "flushing a refusal", lend, STARTED, hears(GET), finishes(False, linger=True, response=LARGE)
)
REFUSED = given("lingering", STARTED, hears(NONSENSE))
IN_FLUSH = (FLUSHING, FLUSHING_LAST, FLUSHING_MORE, FLUSHING_REFUSAL)

TABLE = (
    # A new connection, whose time begins when it is read for the first time.
    Row(NEW, STARTED, IDLE, "", "watch read", "header"),
    Row(NEW, starts_with(GET), IDLE, "200", "GET /, watch read", "keepalive"),
    Row(NEW, starts_with(b"GET / HT"), HEAD, "", "watch read", "header"),
    Row(NEW, starts_with(POST), BODY, "", "watch read", "body"),
    Row(NEW, starts_with(POST + b"hello"), IDLE, "200", "POST / hello, watch read", "keepalive"),
    Row(NEW, starts_with(EXPECT), BODY, "100", "watch read", "body"),
    Row(NEW, starts_with(EXPECT + b"he"), BODY, "", "watch read", "body"),
    Row(NEW, starts_with(LAST), CLOSED, "200 end", "GET /last"),
    Row(NEW, starts_with(GET_LARGE), FLUSH, "200", "GET /large, watch write", "write"),
    Row(NEW, starts_with(NONSENSE), LINGER, "400 end", "watch read", "linger"),
    Row(NEW, starts_with(LAST + GET), LINGER, "200 end", "GET /last, watch read", "linger"),
    Row(NEW, STARTS_ENDED, CLOSED, "end"),
    Row(NEW, STARTS_RESET, CLOSED),
    # IDLE: the first byte begins the time of a head.
    Row(SILENT, NOTHING, IDLE),
    Row(SILENT, hears(b"\r\n"), IDLE),
    Row(SILENT, hears(b"G"), HEAD, "", "", "header"),
    Row(SILENT, hears(GET), IDLE, "200", "GET /", "keepalive"),
    Row(SILENT, hears(LAST), CLOSED, "200 end", "GET /last, forget"),
    Row(SILENT, hears(POST), BODY, "", "", "body"),
    Row(SILENT, hears(POST + b"hello"), IDLE, "200", "POST / hello", "keepalive"),
    Row(SILENT, hears(EXPECT), BODY, "100", "", "body"),
    Row(SILENT, hears(EXPECT + b"hello"), IDLE, "200", "POST / hello", "keepalive"),
    Row(SILENT, EXPECTS_AND_LEAVES, BODY, "", "", "body"),
    Row(SILENT, hears(GET_LARGE), FLUSH, "200", "GET /large, watch write", "write"),
    Row(SILENT, hears(NONSENSE), LINGER, "400 end", "", "linger"),
    Row(SILENT, hears(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"), LINGER, "400 end", "", "linger"),
    Row(SILENT, END, CLOSED, "end", "forget"),
    Row(SILENT, GONE, CLOSED, "", "forget"),
    Row(SILENT, RESET, CLOSED, "", "forget"),
    Row(SILENT, EXPIRES, CLOSED, "end", "forget"),
    Row(SILENT, CLOSES, CLOSED, "end", "forget"),
    Row(USED, hears(b"G"), HEAD, "", "", "header"),
    Row(USED, hears(GET), IDLE, "200", "GET /", "keepalive"),
    Row(USED, END, CLOSED, "end", "forget"),
    Row(USED, EXPIRES, CLOSED, "end", "forget"),
    # HEAD: its time does not begin anew with each piece.
    Row(IN_HEAD, NOTHING, HEAD),
    Row(IN_HEAD, hears(b"TP/1.1\r\nHos"), HEAD),
    Row(IN_HEAD, hears(b"TP/1.1\r\nHost: x\r\n\r\n"), IDLE, "200", "GET /", "keepalive"),
    Row(IN_HEAD, hears(b"TP/1.0\r\n\r\n"), CLOSED, "200 end", "GET /, forget"),
    Row(IN_HEAD, hears(b"x" * 200), LINGER, "414 end", "", "linger"),
    Row(IN_HEAD, hears(b"TP/3.0\r\nHost: x\r\n\r\n"), LINGER, "505 end", "", "linger"),
    Row(IN_HEAD, END, LINGER, "400 end", "", "linger"),
    Row(IN_HEAD, RESET, CLOSED, "", "forget"),
    Row(IN_HEAD, EXPIRES, LINGER, "408 end", "", "linger"),
    Row(IN_HEAD, CLOSES, CLOSED, "end", "forget"),
    Row(NEXT_HEAD, hears(b"TP/1.1\r\nHos"), HEAD),
    Row(NEXT_HEAD, EXPIRES, LINGER, "408 end", "", "linger"),
    # BODY: its time does, because a long upload takes as long as it takes.
    Row(IN_BODY, NOTHING, BODY),
    Row(IN_BODY, hears(b"ll"), BODY, "", "", "body"),
    Row(IN_BODY, hears(b"llo"), IDLE, "200", "POST / hello", "keepalive"),
    Row(IN_BODY, END, LINGER, "400 end", "", "linger"),
    Row(IN_BODY, RESET, CLOSED, "", "forget"),
    Row(IN_BODY, EXPIRES, LINGER, "408 end", "", "linger"),
    Row(IN_BODY, CLOSES, CLOSED, "end", "forget"),
    Row(IN_CHUNK, hears(b"llo\r\n0\r\n"), BODY, "", "", "body"),
    Row(IN_CHUNK, hears(b"llo\r\n0\r\n\r\n"), IDLE, "200", "POST / hello", "keepalive"),
    Row(IN_CHUNK, hears(b"lloX\r\n"), LINGER, "400 end", "", "linger"),
    Row(IN_CHUNK, hears(b"llo\r\n3e8\r\n"), LINGER, "413 end", "", "linger"),
    Row(IN_CHUNK, END, LINGER, "400 end", "", "linger"),
    Row(CONTINUED, hears(b"he"), BODY, "", "", "body"),
    Row(CONTINUED, hears(b"hello"), IDLE, "200", "POST / hello", "keepalive"),
    Row(CONTINUED, END, LINGER, "400 end", "", "linger"),
    # AWAY: another thread answers; then it is as if the driver had done so itself.
    Row(LENT, GIVEN_BACK, IDLE, "200", "GET /", "keepalive"),
    Row(LENT, KEPT, IDLE, "200", "", "keepalive"),
    Row(LENT, ENDED, CLOSED, "200 end", "forget"),
    Row(LENT, CLOSES, CLOSED, "end", "forget"),
    Row(LENT_MORE, ENDED, LINGER, "200 end", "", "linger"),
    Row(
        LENT,
        Step("refused elsewhere", finishes(False, linger=True)),
        LINGER,
        "200 end",
        "",
        "linger",
    ),
    Row(LENT_LARGE, GIVEN_BACK, FLUSH, "200", "GET /large, watch write", "write"),
    # FLUSH: each time the client takes something, its time begins anew.
    Row(FLUSHING, TAKES_SOME, FLUSH, "200", "", "write"),
    Row(FLUSHING, TAKES_ALL, IDLE, "200", "watch read", "keepalive"),
    Row(FLUSHING, LEAVES, CLOSED, "", "forget"),
    Row(FLUSHING, RESETS, CLOSED, "", "forget"),
    Row(FLUSHING, EXPIRES, CLOSED, "200 end", "forget"),
    Row(FLUSHING, CLOSES, CLOSED, "200 end", "forget"),
    Row(FLUSHING_LAST, TAKES_SOME, FLUSH, "200", "", "write"),
    Row(FLUSHING_LAST, TAKES_ALL, CLOSED, "200 end", "forget"),
    Row(FLUSHING_MORE, TAKES_ALL, LINGER, "200 end", "watch read", "linger"),
    Row(FLUSHING_REFUSAL, TAKES_ALL, LINGER, "200 end", "watch read", "linger"),
    # LINGER: until the client has closed its side, whatever it sends.
    Row(REFUSED, NOTHING, LINGER),
    Row(REFUSED, hears(GET), LINGER),
    Row(REFUSED, END, CLOSED, "", "forget"),
    Row(REFUSED, RESET, CLOSED, "", "forget"),
    Row(REFUSED, EXPIRES, CLOSED, "", "forget"),
    Row(REFUSED, CLOSES, CLOSED, "", "forget"),
)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_table(row: Row, server: Server, listener: Listener) -> None:
    with closing(Bench(server, listener, tcp=row.event.tcp)) as bench:
        play(row, bench)


def under_tls(row: Row) -> Row:
    """Return the same row for a connection under TLS: its ends are different, and nothing else."""
    phase, sent, told, deadline = row[2:]
    if phase is CLOSED and row.event not in (END, GONE, RESET, EXPIRES, CLOSES):
        # The client's own goodbye has to be read, so a last response is followed by lingering.
        phase, told, deadline = LINGER, told.removesuffix(", forget"), "linger"
        told = "" if told == "forget" else told
    return Row(row.given, row.event, phase, sent.replace("end", "goodbye end"), told, deadline)


@pytest.mark.parametrize(
    "row",
    # What differs in a handshake, and while a response waits as records, is in a table of its own.
    [row for row in TABLE if row.given not in (NEW, *IN_FLUSH) and row.phase is not FLUSH],
    ids=str,
)
def test_table_under_tls(
    row: Row,
    server: Server,
    listener: Listener,
    encryption: Encryption,
    context: ssl.SSLContext,
) -> None:
    tcp = row.event.tcp
    with closing(EstablishedBench(server, listener, encryption, context, tcp)) as bench:
        play(under_tls(row), bench)


def test_pipelined_request_waits_for_its_turn(server: Server, listener: Listener) -> None:
    with closing(Bench(server, listener)) as bench:
        starts_with(GET + LAST).act(bench)
        bench.take()
        assert (bench.seen, bench.driver.told) == (["200"], ["GET /", "postpone"])
        bench.connection.advance()
        bench.take()
        assert bench.seen == ["200", "200", "end"]
        assert bench.driver.told == ["GET /", "postpone", "GET /last"]
