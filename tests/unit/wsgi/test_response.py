"""start_response, write() and the body on its way out: PEP 3333, and RFC 9112's framing of it."""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corn_core.errors import BadResponse
from corn_core.wsgi import Response, empty_body
from corn_core.wsgi.response import JOIN_LIMIT
from tests.fuzzing import examples
from tests.unit.wsgi.harness import MemorySink, Server, answering, hello, make_request

HTTP_10 = "GET / HTTP/1.0"
HEAD = "HEAD / HTTP/1.1\nHost: a"


def lazily(*pieces: bytes) -> Any:
    """Pieces as a generator, of which the server cannot know the length."""
    return lambda: iter(list(pieces))


# -- how bytes leave -----------------------------------------------------------------


def test_hello_is_one_send_with_a_length(server: Server) -> None:
    answer = server.serve(hello)
    assert len(answer.sink.sends) == 1
    assert answer.status == 200
    assert answer.fields["content-length"] == "13"
    assert answer.body == b"Hello, World!"
    assert answer.ended
    assert answer.keep


@pytest.mark.parametrize("result", [[b"a", b"", b"bc"], (b"a", b"bc")])
def test_all_pieces_of_a_list_are_one_send(server: Server, result: Any) -> None:
    answer = server.serve(answering(result))
    assert len(answer.sink.sends) == 1
    assert answer.fields["content-length"] == "3"
    assert answer.body == b"abc"


def test_large_pieces_are_not_copied_together(server: Server) -> None:
    piece = b"x" * (JOIN_LIMIT // 2 + 1)
    answer = server.serve(answering([piece, piece]))
    assert [len(data) for data in answer.sink.sends][1:] == [len(piece)]
    assert answer.fields["content-length"] == str(2 * len(piece))
    assert answer.body == 2 * piece
    single = server.serve(answering([b"y" * (JOIN_LIMIT + 1)]))
    assert [len(data) for data in single.sink.sends][1:] == [JOIN_LIMIT + 1]
    assert single.body == b"y" * (JOIN_LIMIT + 1)
    assert answer.keep
    assert single.keep


@pytest.mark.parametrize("result", [[], (), [b""], [b"", b""], lazily(), lazily(b"", b"")])
def test_empty_body(server: Server, result: Any) -> None:
    answer = server.serve(answering(result))
    assert len(answer.sink.sends) == 1
    assert answer.fields["content-length"] == "0"
    assert answer.ended
    assert answer.keep


def test_unknown_length_is_chunked(server: Server) -> None:
    answer = server.serve(answering(lazily(b"ab", b"", b"c")))
    assert answer.fields["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.fields
    head, *rest = answer.sink.sends
    assert head.endswith(b"\r\n\r\n2\r\nab\r\n")
    # Nothing for the empty piece: an empty chunk would end the body.
    assert rest == [b"1\r\nc\r\n", b"0\r\n\r\n"]
    assert answer.body == b"abc"
    assert answer.keep


def test_length_of_the_application_is_kept(server: Server) -> None:
    answer = server.serve(answering(lazily(b"ab", b"c"), ("Content-Length", "3")))
    assert answer.fields["content-length"] == "3"
    assert "transfer-encoding" not in answer.fields
    assert len(answer.sink.sends) == 2
    assert answer.body == b"abc"
    assert answer.keep


def test_unknown_length_for_http_1_0_ends_with_the_connection(server: Server) -> None:
    head = HTTP_10 + "\nConnection: keep-alive"
    answer = server.serve(answering(lazily(b"ab", b"c")), head)
    assert "transfer-encoding" not in answer.fields
    assert answer.sink.data.endswith(b"\r\n\r\nabc")
    assert not answer.ended
    assert not answer.keep


def test_known_length_for_http_1_0_can_be_kept_alive(server: Server) -> None:
    answer = server.serve(hello, HTTP_10 + "\nConnection: keep-alive")
    assert answer.fields["connection"] == "keep-alive"
    assert answer.keep
    assert not server.serve(hello, HTTP_10).keep


@pytest.mark.parametrize(
    ("head", "willing"),
    [("GET / HTTP/1.1\nHost: a\nConnection: close", True), ("GET / HTTP/1.1\nHost: a", False)],
)
def test_both_sides_must_want_to_keep_the_connection(
    server: Server, head: str, willing: bool
) -> None:
    answer = server.serve(hello, head, keep_alive=willing)
    assert answer.fields["connection"] == "close"
    assert not answer.keep


def test_each_piece_leaves_before_the_next_is_asked_for(server: Server) -> None:
    sink = MemorySink()
    seen = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"one", b"two", b"three"):
            seen.append(len(sink.sends))
            yield piece

    server.serve(answering(pieces), sink=sink)
    assert seen == [0, 1, 2]


def test_head_waits_for_the_first_piece_that_is_not_empty(server: Server) -> None:
    sink = MemorySink()

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b""
        assert sink.sends == []
        try:
            raise ValueError("late")
        except ValueError:
            start_response("503 Service Unavailable", [("X-Second", "1")], sys.exc_info())
        yield b"sorry"

    answer = server.serve(app, sink=sink)
    assert answer.status == 503
    assert answer.fields["x-second"] == "1"
    assert answer.body == b"sorry"


pieces_of_a_body = st.lists(st.binary(max_size=30), max_size=6)


@settings(
    examples(),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    pieces=pieces_of_a_body,
    written=pieces_of_a_body,
    lazy=st.booleans(),
    length=st.none() | st.integers(0, 60),
    method=st.sampled_from(["GET", "HEAD"]),
    status=st.sampled_from(["200 OK", "204 No Content", "304 Not Modified", "404 Not Found"]),
)
def test_a_client_never_misreads_a_response(
    server: Server,
    pieces: list[bytes],
    written: list[bytes],
    lazy: bool,
    length: int | None,
    method: str,
    status: str,
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        fields = [] if length is None else [("Content-Length", str(length))]
        write = start_response(status, fields)
        for piece in written:
            write(piece)
        return iter(pieces) if lazy else pieces

    answer = server.serve(app, f"{method} / HTTP/1.1\nHost: a")
    body = b"".join(written + pieces)
    if method == "HEAD" or status[:3] in ("204", "304"):
        assert answer.body == b""
        assert answer.sink.data.count(b"\r\n\r\n") == 1
        assert answer.sink.data.endswith(b"\r\n\r\n")
        assert answer.ended
        assert answer.keep
    elif length is None or length == len(body):
        assert answer.body == body
        assert answer.ended
        assert answer.keep
    else:
        assert answer.body == body[:length]
        assert not answer.keep
        assert answer.ended is (length < len(body))


# -- bodies that must not be ---------------------------------------------------------


@pytest.mark.parametrize("result", [[b"four"], lazily(b"fo", b"ur")])
def test_head_gets_no_body(server: Server, result: Any) -> None:
    answer = server.serve(answering(result, ("Content-Length", "4")), HEAD)
    assert answer.fields["content-length"] == "4"
    assert len(answer.sink.sends) == 1
    assert answer.body == b""
    assert answer.keep


def test_head_gets_the_length_that_get_would(server: Server) -> None:
    assert server.serve(hello, HEAD).fields["content-length"] == "13"


def test_nothing_is_claimed_for_an_application_that_omits_the_body_of_head(server: Server) -> None:
    answer = server.serve(answering([]), HEAD)
    assert "content-length" not in answer.fields
    assert answer.keep


def test_an_endless_body_of_head_is_closed_after_its_first_piece(server: Server) -> None:
    class Endless:
        asked = 0
        closed = 0

        def __iter__(self) -> Iterator[bytes]:
            while True:
                self.asked += 1
                yield b"more"

        def close(self) -> None:
            self.closed += 1

    endless = Endless()
    assert server.serve(answering(endless), HEAD).keep
    assert (endless.asked, endless.closed) == (1, 1)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("result", [[b"text"], [], lazily(b"text")])
def test_statuses_without_body(server: Server, status: str, result: Any) -> None:
    answer = server.serve(answering(result, status=status))
    assert answer.status == int(status[:3])
    assert answer.sink.data.endswith(b"\r\n\r\n")
    assert "transfer-encoding" not in answer.fields
    assert "content-length" not in answer.fields
    assert answer.keep


def test_switching_protocols_uses_up_the_connection(server: Server) -> None:
    head = "GET / HTTP/1.1\nHost: a\nUpgrade: websocket\nConnection: Upgrade"
    app = answering(
        [],
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        status="101 Switching Protocols",
    )
    sink = MemorySink()
    keep = server.cycle(app).run(make_request(head), empty_body(), server.connection(), sink, True)
    assert sink.data.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Upgrade: websocket\r\n" in sink.data
    assert not keep


# -- Content-Length that is not true -------------------------------------------------


@pytest.mark.parametrize("result", [[b"abcdef"], [b"ab", b"cdef"], lazily(b"ab", b"cd", b"ef")])
def test_never_more_than_content_length(server: Server, result: Any) -> None:
    answer = server.serve(answering(result, ("Content-Length", "3")), "GET /long HTTP/1.1\nHost: a")
    assert answer.body == b"abc"
    assert answer.ended
    assert not answer.keep
    assert "Response to /long is longer than its Content-Length of 3 bytes" in server.errors


def test_nothing_is_asked_for_once_there_is_too_much(server: Server) -> None:
    asked = []

    def pieces() -> Iterator[bytes]:
        for piece in (b"abc", b"d", b"e"):
            asked.append(piece)
            yield piece

    server.serve(answering(pieces, ("Content-Length", "3")))
    # After exactly enough it goes on, for the generator's own code behind its last yield.
    assert asked == [b"abc", b"d"]


@pytest.mark.parametrize("result", [[b"ab"], [], lazily(b"a", b"b"), lazily()])
def test_less_than_content_length(server: Server, result: Any) -> None:
    answer = server.serve(
        answering(result, ("Content-Length", "3")), "GET /short HTTP/1.1\nHost: a"
    )
    assert answer.fields["content-length"] == "3"
    assert not answer.ended
    assert not answer.keep
    assert "Response to /short ends " in server.errors
    assert "bytes before its Content-Length" in server.errors


def test_content_length_is_not_judged_where_no_body_is_sent(server: Server) -> None:
    assert server.serve(answering([], ("Content-Length", "3")), HEAD).keep
    assert server.serve(answering([b"x"], ("Content-Length", "3")), HEAD).keep
    assert server.errors == ""


# -- start_response ------------------------------------------------------------------


def test_start_response_twice_is_an_error(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("404 Not Found", [])
        return [b"never"]

    assert server.serve(app).status == 500
    assert "start_response was called twice without exc_info" in server.errors


def test_empty_exc_info_is_none(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [], ())
        start_response("404 Not Found", [], ())
        return [b"never"]

    assert server.serve(app).status == 500


def test_exc_info_replaces_what_has_not_been_sent(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("X-First", "1")])
        try:
            raise ValueError("trouble")
        except ValueError:
            start_response("502 Bad Gateway", [("X-Second", "2")], sys.exc_info())
        return [b"sorry"]

    answer = server.serve(app)
    assert answer.status == 502
    assert "x-first" not in answer.fields
    assert answer.fields["x-second"] == "2"
    assert server.errors == ""


def test_exc_info_makes_no_cycle_of_references() -> None:
    class Trouble(Exception):
        pass

    response = Response(make_request(), MemorySink(), keep_alive=False)
    response.start_response("200 OK", [])(b"begun")
    left = []
    gc.disable()
    try:
        try:
            raise Trouble
        except Trouble as error:
            left.append(weakref.ref(error))
            with pytest.raises(Trouble):
                response.start_response("500 Oops", [], sys.exc_info())
        assert left[0]() is None
    finally:
        gc.enable()


def test_exc_info_is_raised_once_the_head_has_left(server: Server) -> None:
    caught = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"first"
        try:
            raise ValueError("trouble")
        except ValueError as error:
            caught.append(error)
            start_response("500 Oops", [], sys.exc_info())
        yield b"never"

    answer = server.serve(app)
    assert answer.status == 200
    assert answer.body == b"first"
    assert not answer.ended
    assert not answer.keep
    assert "ValueError: trouble" in server.errors
    assert caught[0].__traceback__ is not None


@pytest.mark.parametrize("status", [b"200 OK", 200, None])
def test_status_must_be_text(server: Server, status: Any) -> None:
    assert server.serve(answering([b"x"], status=status)).status == 500
    assert "TypeError: the status must be str" in server.errors


@pytest.mark.parametrize("status", ["", "OK", "200", "20 OK", "200 OK\r\nX-Evil: 1", "abc def"])
def test_status_must_be_a_status(server: Server, status: str) -> None:
    answer = server.serve(answering([b"x"], status=status))
    # PEP 3333 wants a reason; that "200" has none may be forgiven.
    assert answer.status == 500 or (status, answer.status) == ("200", 200)
    assert "x-evil" not in answer.fields


@pytest.mark.parametrize(
    "field",
    [
        ("X-A", "1\r\nX-Evil: 1"),
        ("X-A", "1\nX-Evil: 1"),
        ("X-A", "\0"),
        ("X-A\r\nX-Evil", "1"),
        ("X A", "1"),
        ("", "1"),
        ("X-A", "\u20ac"),
        ("X-A", 1),
        (b"X-A", "1"),
    ],
)
def test_fields_that_cannot_be_sent(server: Server, field: Any) -> None:
    answer = server.serve(answering([b"x"], field))
    assert answer.status == 500
    assert "x-evil" not in answer.fields
    assert "Error handling request /" in server.errors


def test_any_iterable_of_fields_will_do(server: Server) -> None:
    kept = []

    def post_request(worker: Any, req: Any, environ: Any, resp: Any) -> None:
        kept.append(resp.headers)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", iter([("X-A", "1")]))
        return [b"x"]

    server.hook(post_request)
    assert server.serve(app).fields["x-a"] == "1"
    assert kept == [[("X-A", "1")]]


def test_the_list_of_fields_is_left_as_it_is(server: Server) -> None:
    fields = [("X-A", "1"), ("Connection", "close")]
    copy = list(fields)

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", fields)
        return [b"x"]

    server.serve(app)
    assert fields == copy


@pytest.mark.parametrize("result", [[b"x"], [], lazily(b"x"), lazily()])
def test_without_start_response(server: Server, result: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        return result() if callable(result) else result

    assert server.serve(app).status == 500
    assert "the application did not call start_response" in server.errors


def test_start_response_may_wait_for_the_first_piece(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"generated"

    assert server.serve(app).body == b"generated"


# -- write() -------------------------------------------------------------------------


def test_write_sends_at_once_and_the_iterable_follows(server: Server) -> None:
    sink = MemorySink()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"")
        assert sink.sends == []
        write(b"one")
        assert len(sink.sends) == 1
        write(b"two")
        assert len(sink.sends) == 2
        return [b"three", b"four"]

    answer = server.serve(app, sink=sink)
    assert answer.body == b"onetwothreefour"
    assert answer.keep


def test_write_after_the_end_does_not_reach_the_next_response(server: Server) -> None:
    kept: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        kept.append(start_response("200 OK", []))
        return [b"all"]

    sink = MemorySink()
    server.serve(app, sink=sink)
    with pytest.raises(BadResponse, match="after the end of the response"):
        kept[0](b"too late")
    assert len(sink.sends) == 1


@pytest.mark.parametrize("piece", ["text", None, 5, bytearray(b"x"), memoryview(b"x")])
def test_write_takes_bytes_only(server: Server, piece: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])(piece)
        return []

    assert server.serve(app).status == 500
    assert "TypeError: the pieces of a response must be bytes, not " in server.errors


@pytest.mark.parametrize(
    "result",
    [["text"], [b"x", "text"], lazily("text"), "text", b"bytes", [None], (5,), None, 5],  # type: ignore[arg-type]
)
def test_pieces_are_bytes_only(server: Server, result: Any) -> None:
    answer = server.serve(answering(result), "GET /wrong HTTP/1.1\nHost: a")
    assert answer.status == 500
    assert not answer.keep
    assert "Error handling request /wrong" in server.errors
    assert "TypeError: " in server.errors


def test_none_is_no_response(server: Server) -> None:
    server.serve(answering(None))
    assert "TypeError: the application returned None instead of an iterable" in server.errors


def test_a_wrong_piece_after_the_head_cuts_the_body_off(server: Server) -> None:
    answer = server.serve(answering(lazily(b"right", "wrong")))  # type: ignore[arg-type]
    assert answer.status == 200
    assert not answer.ended
    assert not answer.keep


def test_subclasses_of_bytes_are_bytes(server: Server) -> None:
    class Special(bytes):
        pass

    assert server.serve(answering([Special(b"x"), b"y"])).body == b"xy"


# -- early hints ---------------------------------------------------------------------

LINK = ("Link", "</style.css>; rel=preload; as=style")


def test_early_hints(server: Server) -> None:
    sink = MemorySink()

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.early_hints"]([LINK])
        assert sink.sends == [
            b"HTTP/1.1 103 Early Hints\r\nLink: " + LINK[1].encode() + b"\r\n\r\n"
        ]
        environ["wsgi.early_hints"]([LINK, LINK])
        return hello(environ, start_response)  # type: ignore[return-value]

    answer = server.serve(app, sink=sink)
    assert [len(hint.headers) for hint in answer.hints] == [1, 2]
    assert answer.status == 200
    assert answer.keep


def test_early_hints_are_for_http_1_1(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        assert "wsgi.early_hints" not in environ
        return hello(environ, start_response)

    assert server.serve(app, HTTP_10).status == 200


def test_late_hints_are_ignored(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"one"
        environ["wsgi.early_hints"]([LINK])
        yield b"two"

    answer = server.serve(app)
    assert answer.hints == []
    assert answer.body == b"onetwo"


def test_hints_cannot_split_the_response(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.early_hints"]([("Link", "x\r\nX-Evil: 1")])
        return hello(environ, start_response)

    answer = server.serve(app)
    assert answer.status == 500
    assert b"Evil" not in answer.sink.data


# -- the date ------------------------------------------------------------------------


def test_every_response_has_one_date(server: Server) -> None:
    answer = server.serve(answering([b"x"], ("Date", "Sun, 06 Nov 1994 08:49:37 GMT")))
    assert answer.sink.data.count(b"\r\nDate: ") == 1
    assert "1994" not in answer.fields["date"]
