"""Clients that leave, or do not read, while the application answers them."""

from __future__ import annotations

import json
import socket

import pytest

from corn_testkit.asgi.clients import held, reset, stopped_flood
from corn_testkit.asgi.told import Told
from corn_testkit.candidate import Subject
from corn_testkit.client import get, parse, parse_all, read_all
from corn_testkit.waiting import wait_for

pytestmark = pytest.mark.corn_needs("asgi")

MEBIBYTE = 1024 * 1024


def test_disconnect_is_told_at_once(exchange: Subject, told: Told) -> None:
    """When the client leaves, receive returns http.disconnect, and send raises OSError.

    The exception may leave the application: it is not logged as its failure.
    """
    with held(exchange, told, get("/gone?one"), "reads") as client:
        reset(client)
        told.wait("http.disconnect")
        exchange.get("/go?one")
        told.wait("send raises OSError")
    wait_for(lambda: "GET /gone?one HTTP/1.1" in exchange.output, "its access line")
    assert "/gone?one" not in exchange.log


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(b"", id="alone"),
        pytest.param(get("/hello"), id="pipelined", marks=pytest.mark.corn_needs("keepalive")),
    ],
)
def test_disconnect_is_noticed_without_receive(
    exchange: Subject, told: Told, before: bytes
) -> None:
    """When the client has left, send raises OSError though the application has not received."""
    path = f"/wait?left-{len(before)}"
    with held(exchange, told, before + get(path), "waits") as client:
        reset(client)
        # The loop has seen the reset by the time that it answers another client.
        for _ in range(3):
            exchange.get("/hello")
        exchange.get(path.replace("wait", "go"))
        told.wait("send raises OSError")


def test_client_that_closes_only_its_side_gets_its_answer(exchange: Subject, told: Told) -> None:
    """A client that has closed its own side only still gets its response."""
    with held(exchange, told, get("/wait?half"), "waits") as client:
        client.shutdown(socket.SHUT_WR)
        exchange.get("/go?half")
        assert parse(read_all(client)).text == "waited"


def test_disconnect_comes_right_after_the_response(exchange: Subject, told: Told) -> None:
    """Once the response is complete, receive returns http.disconnect and does not wait.

    One that waits already returns it, too.
    """
    assert exchange.get("/after") == "done"
    heard = told.wait("http.disconnect", "http.disconnect")
    assert "receive waits" not in heard


def test_client_that_does_not_read_stops_the_application(exchange: Subject, told: Told) -> None:
    """While a client does not read, send waits, and it ends when the client leaves."""
    with held(exchange, told, get("/flood"), "floods") as client:
        sent = stopped_flood(lambda: int(exchange.get("/flooded")))
        assert 0 < sent < 16 * MEBIBYTE, "all of it is in memory somewhere"
        reset(client)
        told.wait("flood ends")


@pytest.mark.corn_needs("keepalive")
def test_each_call_is_a_task_of_its_own(exchange: Subject) -> None:
    """Each call of the application is a task of its own, with a context of its own.

    Time limits, task groups and the state that libraries keep by task work in it.
    """
    close = get("/asyncio", "Connection: close")
    replies = parse_all(exchange.raw(get("/asyncio") + close))
    told = [json.loads(reply.text) for reply in replies]
    assert [each[:-1] for each in told] == [["unset", True, "timed out", True, "set"]] * 2
    assert told[0][-1] != told[1][-1]
