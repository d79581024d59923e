"""Requests that another server answers: hooks, access log and scoreboard are told of them."""

from __future__ import annotations

from typing import Any

import pytest

from corn_core.errors import HookFailed
from corn_core.wsgi import Exchange, NativeCycle
from corn_core.wsgi.native import make_request
from tests.unit.wsgi.harness import Server

HEADERS = [
    (b"Host", b"example.com"),
    (b"X-Tag", b"one"),
    (b"x-tag", b"two"),
    (b"X_Tag", b"false"),
    (b"Content-Type", b"text/plain"),
]


def never(environ: Any, start_response: Any) -> list[bytes]:
    raise AssertionError("it is not corn that calls the application")


class Native:
    """Requests as another server would report them, and how many it has reported as ended."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.ended = 0
        self.cycle: NativeCycle = server.cycle(never).native(self._on_end)

    def _on_end(self) -> None:
        self.ended += 1

    def begin(self) -> Exchange:
        connection = self.server.connection()
        return self.cycle.begin("PUT", "/a%20b?c=d", (1, 1), HEADERS, connection)

    def in_flight(self) -> int:
        return self.server.board.read(0).in_flight

    def access_log(self) -> str:
        return self.server.access_path.read_text()


@pytest.fixture
def native(server: Server) -> Native:
    return Native(server)


def test_hooks_are_told_in_order_with_what_they_are_promised(server: Server) -> None:
    told: list[Any] = []

    def pre_request(worker: Any, req: Any) -> None:
        told.append(("pre", req, server.board.read(0).in_flight))

    def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
        told.append(("post", req, environ, resp, server.board.read(0).in_flight))

    server.hook(pre_request)
    server.hook(post_request)
    native = Native(server)
    exchange = native.begin()
    exchange.request_started()
    exchange.end(201, "Created", [("ETag", '"x"')], 12)
    (_, req, running), (_, same, environ, resp, still) = told
    assert req is same
    assert (req.method, req.uri, req.path) == ("PUT", "/a%20b?c=d", "/a%20b")
    assert (req.query, req.version) == ("c=d", (1, 1))
    assert ("X-TAG", "one") in req.headers and ("X-TAG", "two") in req.headers
    assert (resp.status, resp.status_code, resp.sent) == ("201 Created", 201, 12)
    assert resp.headers == [("ETag", '"x"')]
    assert resp.duration > 0
    assert environ["HTTP_X_TAG"] == "one,two"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert (environ["REMOTE_ADDR"], environ["PATH_INFO"]) == ("192.0.2.7", "/a b")
    assert (running, still, native.in_flight(), native.ended) == (1, 1, 0, 1)


def test_the_access_line_is_written_at_the_end(native: Native) -> None:
    exchange = native.begin()
    assert native.access_log() == ""
    exchange.end(200, "OK", [], 5)
    assert native.access_log() == "192.0.2.7 PUT /a%20b 200 5\n"


def test_a_cycle_tells_whether_requests_are_seen_by_anyone(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pre_request(worker: Any, req: Any) -> None:
        """Look at nothing."""

    assert Native(server).cycle.watched  # by the access log
    monkeypatch.setattr(server.log, "access_enabled", False)
    assert not Native(server).cycle.watched
    server.hook(pre_request)
    assert Native(server).cycle.watched


def test_an_exchange_ends_once(native: Native) -> None:
    exchange = native.begin()
    exchange.end(200, "OK", [], 5)
    exchange.abandon()
    assert native.ended == 1
    assert native.access_log().count("\n") == 1


def test_a_client_that_left_is_in_the_access_log(native: Native) -> None:
    native.begin().abandon()
    assert " 499 0" in native.access_log()
    assert (native.in_flight(), native.ended) == (0, 1)


def test_a_failing_pre_request_is_the_callers_to_answer(server: Server) -> None:
    def pre_request(worker: Any, req: Any) -> None:
        raise RuntimeError("no")

    server.hook(pre_request)
    native = Native(server)
    exchange = native.begin()
    with pytest.raises(HookFailed):
        exchange.request_started()
    exchange.end(500, "Internal Server Error", [], 0)
    assert " 500 0" in native.access_log()


def test_what_could_not_be_read_is_told_as_refused(server: Server) -> None:
    told: list[Any] = []

    def request_refused(worker: Any, req: Any, resp: Any) -> None:
        told.append((req, resp.status_code))

    server.hook(request_refused)
    native = Native(server)
    native.cycle.refuse(None, "400 Bad Request", [], 3, server.connection())
    known = make_request("GET", "/", (1, 0), [])
    native.cycle.refuse(known, "413 Content Too Large", [], 0, server.connection())
    assert told == [(None, 400), (known, 413)]
    assert "192.0.2.7 - - 400 3" in native.access_log()
    assert native.ended == 0
