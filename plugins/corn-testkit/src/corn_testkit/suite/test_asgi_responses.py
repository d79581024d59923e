"""Responses leave as the application sends them, and what it must not send does not leave."""

from __future__ import annotations

from pathlib import Path

import pytest

from corn_testkit.asgi.clients import held, scope_in
from corn_testkit.asgi.told import Told
from corn_testkit.candidate import Subject
from corn_testkit.client import get, parse, parse_all, read_all, receive_until

pytestmark = pytest.mark.corn_needs("asgi")

CLOSE = "Connection: close"
SOURCE = Path(__file__).parents[1].joinpath("apps", "asgi", "exchange.py").read_bytes()


def announced(subject: Subject, extension: str) -> None:
    """Skip the test if the scope does not announce an extension."""
    if extension not in scope_in(subject.raw(get("/scope", CLOSE)))["extensions"]:
        pytest.skip(f"the scope does not announce {extension}")


# -- as they are sent ----------------------------------------------------------------------


def test_each_part_leaves_at_once(exchange: Subject) -> None:
    """Each part of a body leaves when it is sent, the first one with the head."""
    with exchange.address.connect() as client:
        client.sendall(get("/stream?first", CLOSE))
        received = receive_until(client, b"5\r\nfirst\r\n")
        assert received.startswith(b"HTTP/1.1 200 ")
        exchange.get("/go?first")
        assert read_all(client) == b"4\r\nlast\r\n0\r\n\r\n"


def test_each_part_leaves_at_once_to_http_1_0(exchange: Subject) -> None:
    """To HTTP/1.0 each part leaves when it is sent, too, and without chunks."""
    with exchange.address.connect() as client:
        client.sendall(get("/stream?ten", version="1.0"))
        received = receive_until(client, b"\r\n\r\nfirst")
        assert b"chunked" not in received
        exchange.get("/go?ten")
        assert read_all(client) == b"last"


def test_fields_leave_as_they_are(exchange: Subject) -> None:
    """Fields leave in the order in which the application gave them, repeated ones apart."""
    received = exchange.raw(get("/fields", CLOSE))
    names = [name.lower() for name, _ in parse(received).headers]
    assert [name for name in names if name.startswith(("x-", "set-"))] == [
        *("x-b", "set-cookie", "x-a", "set-cookie")
    ]
    assert parse(received).all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize("status", [204, 304])
def test_octets_after_a_status_without_a_body_do_not_leave(exchange: Subject, status: int) -> None:
    """A body that the application sends with a 204 or a 304 does not leave."""
    received = exchange.raw(get(f"/empty?{status}", CLOSE))
    assert received.startswith(b"HTTP/1.1 %d " % status)
    assert b"Transfer-Encoding" not in received
    assert received.endswith(b"\r\n\r\n")


@pytest.mark.corn_needs("keepalive")
def test_head_is_answered_as_get_without_the_body(exchange: Subject) -> None:
    """The response to HEAD has the length that the body would have, and the next one follows."""
    sent = b"HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\n" + get("/hello", CLOSE)
    received = exchange.raw(sent)
    assert received.count(b"Content-Length: 5\r\n") == 2
    assert received.count(b"\r\n\r\nhello") == 1


@pytest.mark.corn_needs("keepalive")
def test_work_after_the_response_does_not_hold_up_the_next(exchange: Subject, told: Told) -> None:
    """Code that runs on after its response does not hold up the next request."""
    with exchange.address.connect() as client:
        client.sendall(get("/background?run") + get("/hello", CLOSE))
        assert [reply.text for reply in parse_all(read_all(client))] == ["done", "hello"]
    exchange.get("/go?run")
    told.wait("background")


# -- extensions ----------------------------------------------------------------------------


def test_trailers_follow_the_body(exchange: Subject) -> None:
    """If the scope announces trailers, they follow the body."""
    announced(exchange, "http.response.trailers")
    received = exchange.raw(get("/trailers", CLOSE))
    assert received.lower().endswith(b"4\r\nbody\r\n0\r\nx-sum: 5\r\n\r\n")


def test_file_of_a_path_arrives_whole(exchange: Subject) -> None:
    """If the scope announces pathsend, the file arrives with its length."""
    announced(exchange, "http.response.pathsend")
    first, second = parse_all(exchange.raw(get("/file") + get("/file", CLOSE)))
    assert first.body == second.body == SOURCE
    assert first.header("Content-Length") == str(len(SOURCE))


def test_file_that_is_not_there_is_a_failure(exchange: Subject) -> None:
    """A file that is not there, or whose path is not absolute, is answered with a 500."""
    announced(exchange, "http.response.pathsend")
    assert parse(exchange.raw(get("/file?/nothing/there", CLOSE))).status == 500
    assert parse(exchange.raw(get("/file?relative", CLOSE))).status == 500


def test_parts_of_a_file_arrive_as_they_are(exchange: Subject) -> None:
    """If the scope announces zerocopysend, parts of a file arrive in their order among others."""
    announced(exchange, "http.response.zerocopysend")
    expected = SOURCE[4:10] + SOURCE[:3] + b"end"
    assert parse(exchange.raw(get("/zerocopy", CLOSE))).body == expected


# -- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/none", "GET /none "),
        ("/crash", "crashed early"),
        ("/leave", "one request wants to leave"),
        ("/cancelled", "GET /cancelled "),
    ],
)
def test_failure_before_the_response_is_a_500(exchange: Subject, path: str, logged: str) -> None:
    """An application that fails, or returns, without a response is logged, and is a 500."""
    reply = parse(exchange.raw(get(path, CLOSE)))
    assert reply.status == 500
    exchange.wait_for_log(logged)


@pytest.mark.parametrize("path", ["/half", "/crash-late"])
def test_response_that_is_not_complete_shows(exchange: Subject, path: str) -> None:
    """A response that ends in the middle is not mistaken for a whole one, also by HTTP/1.0."""
    assert exchange.raw(get(path, CLOSE)).endswith(b"4\r\nhalf\r\n")
    with exchange.address.connect() as client:
        client.sendall(get(path, version="1.0"))
        with pytest.raises(ConnectionResetError):
            while client.recv(65536):
                pass


@pytest.mark.parametrize(
    "mistake",
    [
        *("text", "no-bytes", "no-pairs", "line-end", "line-end-in-name", "nul", "status"),
        *("interim", "length", "two-lengths", "type", "no-type"),
    ],
)
def test_wrong_message_is_refused(exchange: Subject, mistake: str) -> None:
    """A message that the specification does not allow raises in the application, and is a 500.

    Nothing of it is sent, and the log names the mistake.
    """
    errors = exchange.log.count("Traceback")
    received = exchange.raw(get(f"/mistaken?{mistake}", CLOSE))
    assert parse(received).status == 500
    assert b"set-cookie" not in received.lower()
    exchange.wait_for_log("Traceback", count=errors + 1)
    assert exchange.get("/hello") == "hello"


def test_messages_out_of_order_are_refused(exchange: Subject, told: Told) -> None:
    """Each message that comes out of order raises, and those in order make the response."""
    assert exchange.get("/disorder") == "['body', 1000, 201]"
    told.wait("too late")


def test_body_keeps_to_its_length(exchange: Subject) -> None:
    """A body that is shorter or longer than its Content-Length closes the connection."""
    assert exchange.raw(get("/short")).endswith(b"\r\n\r\nshort")
    assert exchange.raw(get("/long")).endswith(b"\r\n\r\ntoo")
    exchange.wait_for_log("/short .*Content-Length")
    exchange.wait_for_log("/long .*Content-Length")


def test_application_does_not_frame(exchange: Subject) -> None:
    """A Transfer-Encoding of the application does not leave: the server frames the body."""
    received = exchange.raw(get("/framing", CLOSE))
    assert b"gzip" not in received
    assert b"\r\nx: y\r\n" in received
    assert parse(received).text == "hello"


def test_task_that_wants_to_leave_takes_no_one_with_it(exchange: Subject) -> None:
    """A task of the application that raises SystemExit ends alone, and is logged."""
    assert exchange.get("/leave-in-a-task") == "started"
    exchange.wait_for_log("a task wants to leave")
    assert exchange.get("/hello") == "hello"


def test_failure_is_of_its_request_alone(exchange: Subject, told: Told) -> None:
    """A request that fails does not disturb one that is in the application at the same time."""
    with held(exchange, told, get("/wait?beside", CLOSE), "waits") as client:
        for path in ("/crash", "/half", "/mistaken?line-end", "/leave"):
            exchange.raw(get(path, CLOSE))
        exchange.get("/go?beside")
        assert parse(read_all(client)).text == "waited"
