"""The request cycle: failures, hooks, logs, and what becomes of body, slot and connection."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from corn_core.errors import (
    BadFieldLine,
    BodyNotStored,
    BodyTooLarge,
    ClientDisconnected,
    RequestTimeout,
    WorkerQuit,
)
from corn_core.logs import Logger
from tests.unit.wsgi.harness import (
    MemorySink,
    Server,
    answering,
    hello,
    make_body,
    make_request,
)

GET = "GET /path HTTP/1.1\nHost: a"


class Pieces:
    """An iterable with a ``close``, and with a failure at any place."""

    def __init__(self, *pieces: bytes, fails: BaseException | None = None) -> None:
        self.pieces = pieces
        self.fails = fails
        self.closed = 0
        self.close_fails: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        yield from self.pieces
        if self.fails is not None:
            raise self.fails

    def close(self) -> None:
        self.closed += 1
        if self.close_fails is not None:
            raise self.close_fails


def raising(error: BaseException) -> Callable[[Any, Any], Any]:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("X-App", "1")])
        raise error

    return app


# -- the application fails -----------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        ValueError("trouble"),
        SystemExit("trouble"),
        SystemExit(),
        asyncio.CancelledError("trouble"),
        BrokenPipeError("trouble"),
        RecursionError("trouble"),
        BodyTooLarge("trouble"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_before_the_head_is_answered(server: Server, error: BaseException) -> None:
    answer = server.serve(raising(error), GET)
    assert answer.status == 500
    assert answer.fields["connection"] == "close"
    assert "x-app" not in answer.fields
    assert b"500 Internal Server Error" in answer.body
    # What went wrong is nothing for the client.
    assert b"trouble" not in answer.body
    assert answer.ended
    assert not answer.keep
    assert "[ERROR] Error handling request /path\nTraceback (most recent call last):" in (
        server.errors
    )
    assert type(error).__name__ in server.errors
    assert server.access_lines == [f"192.0.2.7 GET /path 500 {len(answer.body)}"]


def test_the_worker_goes_on_after_an_error(server: Server) -> None:
    failing = iter([True, False])

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        if next(failing):
            raise SystemExit(3)
        return hello(environ, start_response)

    cycle = server.cycle(app)
    statuses = []
    for _ in range(2):
        sink = MemorySink()
        cycle.run(make_request(), make_body(), server.connection(), sink, True)
        statuses.append(sink.data[9:12])
    assert statuses == [b"500", b"200"]
    assert server.requests_served == 2


def test_the_logged_target_is_escaped(server: Server) -> None:
    server.serve(raising(ValueError()), 'GET /a"\\\x9b\xc3\xa9?q HTTP/1.1\nHost: a')
    assert r"Error handling request /a\"\\\x9b\xc3\xa9?q" in server.errors


def test_an_error_of_head_has_no_body(server: Server) -> None:
    answer = server.serve(raising(ValueError()), "HEAD / HTTP/1.1\nHost: a")
    assert answer.status == 500
    assert int(answer.fields["content-length"]) > 0
    assert answer.sink.data.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("fields", [[], [("Content-Length", "8")]])
def test_an_error_after_the_head_cuts_the_response_off(server: Server, fields: Any) -> None:
    pieces = Pieces(b"half", fails=ValueError("trouble"))
    answer = server.serve(answering(pieces, *fields), GET)
    assert answer.status == 200
    assert answer.body == b"half"
    assert not answer.sink.aborted  # the framing shows it
    assert not answer.ended
    assert not answer.keep
    assert pieces.closed == 1
    assert "Error handling request /path" in server.errors
    assert server.access_lines == ["192.0.2.7 GET /path 200 4"]


def test_an_error_within_a_body_that_ends_with_the_connection_breaks_it(server: Server) -> None:
    answer = server.serve(answering(Pieces(b"half", fails=ValueError())), "GET /path HTTP/1.0")
    assert answer.body == b"half"
    assert answer.sink.aborted


def test_an_error_before_the_first_piece_can_still_be_answered(server: Server) -> None:
    pieces = Pieces(b"", fails=ValueError("trouble"))
    assert server.serve(answering(pieces), GET).status == 500
    assert pieces.closed == 1


def test_a_response_that_cannot_be_sent_is_closed(server: Server) -> None:
    pieces = Pieces(b"x")
    assert server.serve(answering(pieces, ("X-A", "\n")), GET).status == 500
    assert pieces.closed == 1


# -- close() -------------------------------------------------------------------------


def test_close_is_called_once_and_after_all_is_sent(server: Server) -> None:
    sink = MemorySink()
    pieces = Pieces(b"one", b"two")
    sent_at_close = []
    pieces.close = lambda: sent_at_close.append(len(sink.sends))  # type: ignore[method-assign]
    assert server.serve(answering(pieces), GET, sink=sink).body == b"onetwo"
    assert sent_at_close == [3]


def test_close_of_a_generator_runs_its_finally(server: Server) -> None:
    done = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            done.append(True)

    server.serve(answering(pieces), GET, sink=MemorySink(leaves_after=1))
    assert done == [True]


@pytest.mark.parametrize("pieces", [Pieces(b"all"), Pieces()])
def test_close_that_fails(server: Server, pieces: Pieces) -> None:
    pieces.close_fails = ValueError("cannot close")
    answer = server.serve(answering(pieces), GET)
    assert answer.status == 200
    assert answer.ended
    assert not answer.keep
    assert "ValueError: cannot close" in server.errors
    assert len(server.access_lines) == 1


def test_close_that_fails_does_not_hide_the_first_failure(server: Server) -> None:
    pieces = Pieces(fails=KeyError("first"))
    pieces.close_fails = SystemExit("second")
    assert server.serve(answering(pieces), GET).status == 500
    assert "Error closing the response to /path" in server.errors
    assert "SystemExit: second" in server.errors
    assert server.errors.rstrip().endswith("KeyError: 'first'")


def test_close_that_fails_does_not_keep_a_worker_from_quitting(server: Server) -> None:
    pieces = Pieces(fails=WorkerQuit(0))
    pieces.close_fails = ValueError("cannot close")
    with pytest.raises(WorkerQuit):
        server.serve(answering(pieces), GET)
    assert "ValueError: cannot close" in server.errors


def test_a_worker_may_be_told_to_quit_during_close(server: Server) -> None:
    pieces = Pieces(fails=ValueError("first"))
    pieces.close_fails = WorkerQuit(0)
    with pytest.raises(WorkerQuit):
        server.serve(answering(pieces), GET)


# -- the worker is stopped -----------------------------------------------------------


@pytest.mark.parametrize("interrupt", [WorkerQuit(1), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize("piece", [b"", b"some"])
def test_interrupts_pass_through(server: Server, interrupt: BaseException, piece: bytes) -> None:
    pieces = Pieces(piece, fails=interrupt)
    body = make_body(b"x")
    sink = MemorySink()
    after = []
    server.hook(lambda_named("post_request", lambda worker, req, environ, resp: after.append(resp)))
    with pytest.raises(type(interrupt)):
        server.serve(answering(pieces), GET, body=body, sink=sink)
    assert pieces.closed == 1
    with pytest.raises(ValueError, match="closed"):
        body.read()
    # Not a word to the client beyond what the application said.
    assert not sink.data.endswith(b"0\r\n\r\n")
    assert b"500" not in sink.data
    assert server.access_lines == [f"192.0.2.7 GET /path 200 {len(piece)}"]
    assert len(after) == 1
    assert server.errors == ""
    assert server.board.read(0).request_started == 0


def test_the_master_speaks_for_a_request_that_timed_out(server: Server) -> None:
    server.worker.aborted = True
    with pytest.raises(WorkerQuit):
        server.serve(raising(WorkerQuit(1)), GET)
    assert server.access_lines == []
    assert server.requests_served == 0
    assert server.board.read(0).path == "/path"


class Kill(BaseException):
    """An exception such as greenlets are stopped with."""


@pytest.mark.parametrize("error", [Kill(), WorkerQuit(0), KeyboardInterrupt()])
def test_the_worker_says_what_interrupts(server: Server, error: BaseException) -> None:
    request, connection = make_request(), server.connection()
    interrupted = server.cycle(raising(error), interrupts=(type(error),))
    with pytest.raises(type(error)):
        interrupted.run(request, make_body(), connection, MemorySink(), True)
    # In a thread where nothing is interrupted, it is a failure of the application.
    sink = MemorySink()
    server.cycle(raising(error), interrupts=()).run(request, make_body(), connection, sink, True)
    assert b"".join(sink.sends).startswith(b"HTTP/1.1 500 ")


# -- the client goes -----------------------------------------------------------------


@pytest.mark.parametrize("leaves_after", [0, 1, 2])
def test_client_gone(server: Server, leaves_after: int) -> None:
    pieces = Pieces(b"one", b"two", b"three")
    sink = MemorySink(leaves_after=leaves_after)
    keep = server.cycle(answering(pieces)).run(
        make_request(GET), make_body(), server.connection(), sink, True
    )
    assert not keep
    assert pieces.closed == 1
    assert len(sink.sends) == leaves_after
    sent = len(b"onetwothree"[: 3 * leaves_after])
    assert server.access_lines == [f"192.0.2.7 GET /path 200 {sent}"]
    assert "[DEBUG] Client gone during GET /path" in server.errors
    assert "[ERROR]" not in server.errors


def test_client_gone_before_there_was_a_status(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.early_hints"]([])
        raise AssertionError("not reached")

    server.cycle(app).run(
        make_request(GET), make_body(), server.connection(), MemorySink(leaves_after=0), True
    )
    assert server.access_lines == ["192.0.2.7 GET /path 499 0"]


def test_client_gone_for_the_error_page(server: Server) -> None:
    server.cycle(raising(ValueError())).run(
        make_request(GET), make_body(), server.connection(), MemorySink(leaves_after=0), True
    )
    assert server.access_lines == ["192.0.2.7 GET /path 500 0"]
    assert "Client gone before it was told: 500 Internal Server Error" in server.errors


def test_an_application_that_swallows_the_loss_is_told_again(server: Server) -> None:
    sink = MemorySink(leaves_after=1)
    refused = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        for _ in range(4):
            try:
                write(b"x")
            except ClientDisconnected as error:
                refused.append(error)
                # It could send again, but the response would have a hole.
                sink.leaves_after = float("inf")
        return [b"tail"]

    keep = server.cycle(app).run(make_request(GET), make_body(), server.connection(), sink, True)
    assert len(refused) == 3
    assert len(sink.sends) == 1
    assert not keep


# -- the hooks -----------------------------------------------------------------------


def lambda_named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    function.__name__ = name
    return function


class Hooked:
    """pre_request and post_request of a server, recorded."""

    def __init__(self, server: Server) -> None:
        self.before: list[Any] = []
        self.after: list[Any] = []

        def pre_request(worker: Any, req: Any) -> None:
            assert worker is server.worker
            self.before.append(req)

        def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
            assert worker is server.worker
            self.after.append((req, environ, resp))

        server.hook(pre_request)
        server.hook(post_request)


def test_hooks_frame_the_call(server: Server) -> None:
    hooked = Hooked(server)
    inside = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        inside.append((len(hooked.before), len(hooked.after)))
        environ["seen.by"] = "the application"
        return hello(environ, start_response)

    server.serve(app, "POST /path?q HTTP/1.1\nHost: a\nX-A: 1")
    assert inside == [(1, 0)]
    ((request, environ, response),) = hooked.after
    assert request is hooked.before[0]
    assert (request.method, request.uri, request.path) == ("POST", "/path?q", "/path")
    assert request.query == "q"
    assert ("X-A", "1") in request.headers
    assert environ["seen.by"] == "the application"
    assert (response.status, response.status_code, response.sent) == ("200 OK", 200, 13)
    assert response.headers == [("Content-Type", "text/plain")]


@pytest.mark.parametrize(
    ("app", "status"),
    [
        (raising(ValueError()), "500 Internal Server Error"),
        (raising(SystemExit(1)), "500 Internal Server Error"),
        (answering(Pieces(b"x", fails=ValueError())), "200 OK"),
        (answering([b"x"], ("Content-Length", "9")), "200 OK"),
        (answering(["x"]), "500 Internal Server Error"),
    ],
)
def test_post_request_follows_failures_too(server: Server, app: Any, status: str) -> None:
    hooked = Hooked(server)
    server.serve(app, GET)
    assert len(hooked.before) == 1
    ((_, environ, response),) = hooked.after
    assert environ["PATH_INFO"] == "/path"
    assert response.status == status


def test_post_request_follows_a_client_that_left(server: Server) -> None:
    hooked = Hooked(server)
    server.cycle(hello).run(
        make_request(GET), make_body(), server.connection(), MemorySink(leaves_after=0), True
    )
    assert len(hooked.after) == 1


def test_post_request_without_environ(server: Server) -> None:
    hooked = Hooked(server)
    server.variables["SCRIPT_NAME"] = "/other"
    answer = server.serve(hello, GET)
    assert answer.status == 500
    ((_, environ, response),) = hooked.after
    assert environ == {}
    assert response.status == "500 Internal Server Error"


def test_pre_request_that_fails_is_answered_and_the_application_not_called(
    server: Server,
) -> None:
    hooked = Hooked(server)

    def pre_request(worker: Any, req: Any) -> None:
        raise ValueError("not today")

    server.hook(pre_request)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        raise AssertionError("called")

    answer = server.serve(app, GET)
    assert answer.status == 500
    assert not answer.keep
    assert "hook pre_request of plugin test-2 failed: ValueError: not today" in server.errors
    assert "AssertionError" not in server.errors
    assert len(hooked.before) == len(hooked.after) == 1
    assert hooked.after[0][1] == {}
    assert server.access_lines[0].startswith("192.0.2.7 GET /path 500 ")


def test_post_request_that_fails_is_logged(server: Server) -> None:
    def post_request(worker: Any, req: Any) -> None:
        raise ValueError("afterwards")

    server.hook(post_request)
    answer = server.serve(hello, GET)
    assert answer.status == 200
    assert answer.keep
    assert "Hook post_request of plugin test-0 failed" in server.errors


def test_pre_request_sees_a_request_that_it_may_change(server: Server) -> None:
    def pre_request(worker: Any, req: Any) -> None:
        req.path = "/changed"

    server.hook(pre_request)
    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    server.serve(app, GET)
    assert seen == ["/changed"]


def test_a_wrong_length_is_logged_without_hooks_and_access_log(server: Server) -> None:
    server.log.access_enabled = False
    server.serve(answering([b"x"], ("Content-Length", "2")), GET)
    assert "Response to /path ends 1 bytes before its Content-Length" in server.errors


# -- refused requests ----------------------------------------------------------------


def test_contradictory_scheme_is_refused(server: Server) -> None:
    head = GET + "\nX-Forwarded-Proto: https\nX-Forwarded-Ssl: off"
    connection = server.connection(("127.0.0.1", 5))
    answer = server.serve(hello, head, connection=connection)
    assert answer.status == 400
    assert b"contradict" in answer.body
    assert not answer.keep
    assert "[WARNING] Invalid request from ip=127.0.0.1: GET /path: the fields of" in server.errors
    assert server.access_lines == [f"127.0.0.1 GET /path 400 {len(answer.body)}"]


def test_script_name_mismatch_is_explained_in_the_log_only(server: Server) -> None:
    server.variables["SCRIPT_NAME"] = "/secret-mount"
    answer = server.serve(hello, GET)
    assert answer.status == 500
    assert b"secret-mount" not in answer.body
    assert "[ERROR] Invalid request from ip=192.0.2.7: GET /path: the path" in server.errors
    assert "is not under SCRIPT_NAME '/secret-mount'" in server.errors
    assert "Traceback" not in server.errors


def test_refuse(server: Server) -> None:
    error = BadFieldLine("space before ':' in field name: b'Host '")
    answer = server.refuse(error, make_request("POST /form?x HTTP/1.1\nHost: a"))
    assert answer.status == 400
    assert answer.fields["connection"] == "close"
    assert b"space before" in answer.body
    assert answer.ended
    assert (
        "[WARNING] Invalid request from ip=192.0.2.7: POST /form?x:"
        " space before ':' in field name: b'Host '"
    ) in server.errors
    assert server.access_lines == [f"192.0.2.7 POST /form 400 {len(answer.body)}"]


def test_refuse_what_is_no_request(server: Server) -> None:
    answer = server.refuse(BadFieldLine("<script>\nforged line"), None)
    assert answer.status == 400
    assert b"&lt;script&gt;" in answer.body
    assert b"<script>" not in answer.body
    assert r"Invalid request from ip=192.0.2.7: <script>\x0aforged line" in server.errors
    assert server.access_lines == [f"192.0.2.7 - - 400 {len(answer.body)}"]


def test_refuse_head(server: Server) -> None:
    answer = server.refuse(BadFieldLine("wrong"), make_request("HEAD / HTTP/1.1\nHost: a"))
    assert answer.sink.data.endswith(b"\r\n\r\n")
    assert answer.ended


def test_refuse_says_nothing_of_the_server_s_own_trouble(server: Server) -> None:
    error = BodyNotStored("cannot store the body in /var/secret: No space left on device")
    answer = server.refuse(error, make_request(GET))
    assert answer.status == 507
    assert b"secret" not in answer.body
    assert "[ERROR] Invalid request" in server.errors
    assert "No space left on device" in server.errors


def test_slow_clients_are_no_news(server: Server) -> None:
    answer = server.refuse(RequestTimeout("the client took too long"), None)
    assert answer.status == 408
    assert "[DEBUG] Invalid request" in server.errors


def test_refuse_a_client_that_is_gone(server: Server) -> None:
    server.cycle(hello).refuse(
        BodyTooLarge("too large"), make_request(GET), server.connection(), MemorySink(0)
    )
    assert server.access_lines == ["192.0.2.7 GET /path 413 0"]


def test_refusing_calls_no_hook_and_counts_no_request(server: Server) -> None:
    hooked = Hooked(server)
    server.refuse(BadFieldLine("wrong"), make_request(GET))
    assert hooked.before == hooked.after == []
    assert server.requests_served == 0


def test_refusals_have_a_hook_of_their_own(server: Server) -> None:
    refused: list[tuple[Any, str]] = []

    def request_refused(req: Any, resp: Any) -> None:
        refused.append((req, resp.status))

    server.hook(request_refused)
    request = make_request(GET)
    server.refuse(BadFieldLine("wrong"), request)
    server.refuse(BadFieldLine("wrong"), None)
    assert refused == [(request, "400 Bad Request"), (None, "400 Bad Request")]


# -- access lines, slot, body --------------------------------------------------------


def test_one_access_line_a_request(server: Server) -> None:
    cycle = server.cycle(hello)
    for target in ("/one", "/two?q=1"):
        head = f"GET {target} HTTP/1.1\nHost: a"
        cycle.run(make_request(head), make_body(), server.connection(), MemorySink(), True)
    assert server.access_lines == ["192.0.2.7 GET /one 200 13", "192.0.2.7 GET /two 200 13"]


def test_duration_is_the_request_s(server: Server) -> None:
    seen = []
    server.log.access = lambda *line: seen.append(line)  # type: ignore[method-assign]
    server.serve(hello, GET)
    ((response, request, environ, elapsed),) = seen
    assert response.status == "200 OK"
    assert request.path == "/path"
    assert environ["REQUEST_METHOD"] == "GET"
    assert 0 < elapsed.total_seconds() < 10


def test_a_logger_that_fails_does_not_fail_the_request(server: Server) -> None:
    class Broken(Logger):
        def access(self, *line: Any) -> None:
            raise ValueError("cannot write this")

    server.log.__class__ = Broken
    answer = server.serve(hello, GET)
    assert answer.keep
    server.refuse(BadFieldLine("wrong"), None)
    assert server.errors.count("[ERROR] Error writing the access log") == 2
    assert server.errors.count("ValueError: cannot write this") == 2


def test_without_access_log_nothing_is_written(server: Server) -> None:
    server.log.access_enabled = False
    server.log.access = None  # type: ignore[assignment, method-assign]
    assert server.serve(hello, GET).keep
    assert server.refuse(BadFieldLine("wrong"), None).status == 400
    assert "Error writing" not in server.errors


def test_the_slot_tells_what_is_going_on(server: Server) -> None:
    views = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        views.append(server.board.read(0))
        return hello(environ, start_response)

    server.serve(app, "PUT /long/way HTTP/1.1\nHost: a")
    (during,) = views
    assert (during.method, during.path) == ("PUT", "/long/way")
    assert during.request_started > 0
    assert server.board.read(0).request_started == 0
    assert server.requests_served == 1


@pytest.mark.parametrize("app", [hello, raising(ValueError())])
def test_the_body_is_read_and_then_closed(server: Server, app: Any) -> None:
    body = make_body(b"a\nb\n", b"c")
    lines = []

    def reading(environ: dict[str, Any], start_response: Any) -> Any:
        lines.extend(environ["wsgi.input"])
        return app(environ, start_response)

    server.serve(reading, GET, body=body)
    assert lines == [b"a\n", b"b\n", b"c"]
    with pytest.raises(ValueError, match="closed"):
        body.read()


def test_a_request_leaves_no_cycle_of_references(server: Server) -> None:
    class Marked(Pieces):
        pass

    gone = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])
        result = Marked(b"x")
        gone.append(weakref.ref(result))
        environ["the.result"] = result
        return result

    gc.disable()
    try:
        server.serve(app, GET)
        assert gone[0]() is None
    finally:
        gc.enable()
