"""wsgi.file_wrapper and wsgi.errors."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier, Thread
from typing import Any, cast

import pytest

from corn_core.wsgi import ErrorStream, FileWrapper
from corn_core.wsgi.files import SETTINGS
from tests.unit.wsgi.harness import Server

LARGE = os.urandom(200_000)
SMALL = b"0123456789" * 10
GET = "GET / HTTP/1.1\nHost: a"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(LARGE)
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    path.write_bytes(SMALL)
    return path


def serving(file: Any, *fields: tuple[str, str], block: int | None = None) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", list(fields))
        wrapper = environ["wsgi.file_wrapper"]
        return wrapper(file) if block is None else wrapper(file, block)

    return app


# -- sent by the sink ----------------------------------------------------------------


@pytest.mark.parametrize("buffering", [0, -1])
def test_a_large_file_is_sent_without_reading_it(
    server: Server, large: Path, buffering: int
) -> None:
    file = large.open("rb", buffering=buffering)
    answer = server.serve(serving(file), GET)
    assert answer.sink.regions == [(0, len(LARGE))]
    assert answer.fields["content-length"] == str(len(LARGE))
    assert answer.body == LARGE
    assert answer.keep
    assert file.closed
    assert server.access_lines[0].endswith(f"200 {len(LARGE)}")


def test_from_the_current_position(server: Server, large: Path) -> None:
    file = large.open("rb")
    assert file.read(1000) == LARGE[:1000]
    answer = server.serve(serving(file), GET)
    assert answer.sink.regions == [(1000, len(LARGE) - 1000)]
    assert answer.body == LARGE[1000:]


def test_up_to_content_length(server: Server, large: Path) -> None:
    answer = server.serve(serving(large.open("rb"), ("Content-Length", "150000")), GET)
    assert answer.sink.regions == [(0, 150_000)]
    assert answer.body == LARGE[:150_000]
    assert answer.keep
    assert server.errors == ""


def test_a_file_shorter_than_content_length(server: Server, large: Path) -> None:
    answer = server.serve(serving(large.open("rb"), ("Content-Length", "200001")), GET)
    assert answer.body == LARGE
    assert not answer.ended
    assert not answer.keep
    assert "ends 1 bytes before its Content-Length" in server.errors


def test_a_small_file_leaves_with_its_head(server: Server, small: Path) -> None:
    answer = server.serve(serving(small.open("rb")), GET)
    assert len(answer.sink.sends) == 1
    assert answer.sink.regions == []
    assert answer.fields["content-length"] == "100"
    assert answer.body == SMALL
    assert answer.keep


def test_a_small_file_up_to_content_length(server: Server, small: Path) -> None:
    answer = server.serve(serving(small.open("rb"), ("Content-Length", "7")), GET)
    assert answer.body == b"0123456"
    assert answer.keep
    assert server.errors == ""


@pytest.mark.parametrize("position", [100, 5000])
def test_nothing_is_left_of_the_file(server: Server, small: Path, position: int) -> None:
    file = small.open("rb")
    file.seek(position)
    answer = server.serve(serving(file), GET)
    assert answer.fields["content-length"] == "0"
    assert answer.keep


def test_head_of_a_file(server: Server, large: Path) -> None:
    answer = server.serve(serving(large.open("rb")), "HEAD / HTTP/1.1\nHost: a")
    assert answer.fields["content-length"] == str(len(LARGE))
    assert answer.sink.regions == []
    assert answer.sink.data.endswith(b"\r\n\r\n")
    assert answer.keep


def test_http_1_0_gets_the_length_too(server: Server, large: Path) -> None:
    answer = server.serve(serving(large.open("rb")), "GET / HTTP/1.0\nConnection: keep-alive")
    assert answer.body == LARGE
    assert answer.keep


def test_after_write(server: Server, large: Path) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [])(b"before")
        return FileWrapper(large.open("rb"))

    assert server.serve(app, GET).body == b"before" + LARGE


# -- read ----------------------------------------------------------------------------


def test_not_sent_by_the_sink_when_that_is_not_allowed(server: Server, large: Path) -> None:
    server.send_file_allowed = False
    answer = server.serve(serving(large.open("rb")), GET)
    assert answer.sink.regions == []
    assert answer.body == LARGE


def pretending(opener: Any) -> Any:
    """Opens a compressed file, which has the descriptor of what it decompresses."""

    def make(path: Path) -> Any:
        with opener(path, "wb") as file:
            file.write(LARGE)
        return opener(path, "rb")

    return make


class Upper(io.FileIO):
    """A file that is not what its descriptor says."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size).upper()


def upper(path: Path) -> Any:
    path.write_bytes(b"abc" * 50_000)
    return Upper(path)


def temporary(path: Path) -> Any:
    file = tempfile.TemporaryFile(dir=path.parent)  # noqa: SIM115 the response closes it
    file.write(LARGE)
    file.seek(0)
    return file


def pipe(path: Path) -> Any:
    reader, writer = os.pipe()
    os.write(writer, SMALL)
    os.close(writer)
    return open(reader, "rb")


@pytest.mark.parametrize(
    ("make", "body"),
    [
        (lambda path: io.BytesIO(LARGE), LARGE),
        (lambda path: io.BytesIO(), b""),
        (pretending(gzip.open), LARGE),
        (pretending(bz2.open), LARGE),
        (upper, b"ABC" * 50_000),
        (temporary, LARGE),
        (pipe, SMALL),
    ],
    ids=["BytesIO", "empty", "gzip", "bz2", "subclass", "temporary", "pipe"],
)
def test_whatever_is_no_plain_file_is_read(
    server: Server, tmp_path: Path, make: Any, body: bytes
) -> None:
    file = make(tmp_path / "file")
    answer = server.serve(serving(file), GET)
    assert answer.sink.regions == []
    assert answer.body == body
    assert answer.keep
    assert file.closed


def test_block_size(server: Server) -> None:
    answer = server.serve(serving(io.BytesIO(SMALL), block=40), GET)
    assert [len(data) for data in answer.sink.sends[1:]] == [46, 26, 5]
    assert answer.body == SMALL


def test_reading_stops_at_content_length(server: Server) -> None:
    answer = server.serve(serving(io.BytesIO(SMALL), ("Content-Length", "95"), block=10), GET)
    assert answer.body == SMALL[:95]
    assert answer.keep
    assert server.errors == ""


def test_a_file_of_text_is_an_error(server: Server, large: Path) -> None:
    large.write_text("text" * 50_000)
    answer = server.serve(serving(large.open()), GET)
    assert answer.status == 500
    assert "must be bytes, not str" in server.errors


def test_a_closed_file_is_an_error(server: Server, large: Path) -> None:
    file = large.open("rb")
    file.close()
    assert server.serve(serving(file), GET).status == 500
    assert "closed file" in server.errors


def test_a_file_that_cannot_be_read_is_an_error(server: Server, large: Path) -> None:
    file = large.open("ab", buffering=0)
    file.seek(0)
    assert server.serve(serving(file), GET).status == 500
    assert file.closed


def test_a_file_without_close(server: Server) -> None:
    class Once:
        data = b"once"

        def read(self, size: int) -> bytes:
            data, self.data = self.data, b""
            return data

    answer = server.serve(serving(Once()), GET)
    assert answer.body == b"once"
    assert answer.keep


def test_iterating_and_closing_by_hand() -> None:
    file = io.BytesIO(SMALL)
    wrapper = FileWrapper(file, 60)
    assert [len(piece) for piece in wrapper] == [60, 40]
    wrapper.close()
    assert file.closed


# -- wsgi.errors ---------------------------------------------------------------------


@dataclass
class Texts:
    """A logger, as far as the stream needs one."""

    texts: list[str] = field(default_factory=list)

    def wsgi_errors(self, text: str) -> None:
        self.texts.append(text)


class OldLogger:
    """A logger of an author who did not know of wsgi_errors."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def error(self, message: str, *arguments: object) -> None:
        self.messages.append(message % arguments)


@pytest.fixture
def log() -> Texts:
    return Texts()


@pytest.fixture
def stream(log: Texts) -> ErrorStream:
    return ErrorStream(cast(Any, log))


def test_what_is_written_before_a_flush_is_one_text(stream: ErrorStream, log: Texts) -> None:
    print("one", 2, "three", file=stream)
    assert stream.write("fo") == 2
    stream.writelines(["ur\n", "five"])
    assert log.texts == []
    assert stream.pending
    stream.flush()
    assert log.texts == ["one 2 three\nfour\nfive"]
    assert not stream.pending
    stream.flush()
    assert len(log.texts) == 1


def test_message_of_a_handler_is_one_text(stream: ErrorStream, log: Texts) -> None:
    record = logging.makeLogRecord({"msg": "two\nlines"})
    logging.StreamHandler(stream).handle(record)
    assert log.texts == ["two\nlines\n"]


def test_text_that_is_empty_leaves_nothing(stream: ErrorStream, log: Texts) -> None:
    assert stream.write("") == 0
    assert not stream.pending


def test_percent_signs_are_text(stream: ErrorStream, log: Texts) -> None:
    print("100 %s", file=stream, flush=True)
    assert log.texts == ["100 %s\n"]


def test_text_without_a_flush_does_not_grow_forever(stream: ErrorStream, log: Texts) -> None:
    for _ in range(5):
        stream.write("x" * 40_000)
    assert [len(text) for text in log.texts] == [80_000, 80_000]


def test_threads_do_not_tear_each_others_texts(stream: ErrorStream, log: Texts) -> None:
    def complain(name: str, turn: Barrier) -> None:
        for _ in range(3):
            turn.wait(10)
            stream.write(f"{name}\n")
        stream.flush()

    turn = Barrier(2)
    threads = [Thread(target=complain, args=(name, turn)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(log.texts) == ["one\n" * 3, "two\n" * 3]


def test_who_does_not_flush_is_heard_later(stream: ErrorStream, log: Texts) -> None:
    stream.write("begun, ")
    stream.flush_stale()
    assert log.texts == []
    stream.write("going on")
    stream.flush_stale()
    assert log.texts == ["begun, going on"]


def test_nothing_is_left_at_the_end(stream: ErrorStream, log: Texts) -> None:
    thread = Thread(target=stream.write, args=("from a thread",))
    thread.start()
    thread.join()
    stream.write("from here")
    stream.flush_all()
    assert sorted(log.texts) == ["from a thread", "from here"]


def test_logger_without_the_method_gets_an_error() -> None:
    log = OldLogger()
    print("100 %s", file=ErrorStream(cast(Any, log)), flush=True)
    assert log.messages == ["100 %s\n"]


def test_the_end_of_a_request_flushes(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        print("from the", file=environ["wsgi.errors"])
        print("application", file=environ["wsgi.errors"])
        start_response("204 No Content", [])
        return []

    server.serve(app, GET)
    assert server.errors == "from the\napplication\n"


def test_text_comes_before_the_traceback_of_its_request(server: Server) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        print("look:", file=environ["wsgi.errors"])
        raise ValueError("seen")

    server.serve(app, GET)
    assert server.errors.startswith("look:\n[")
    assert "ValueError: seen" in server.errors


# -- the setting ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [("y", True), ("1", True), ("YES", True), ("true", True), ("0", False), ("", False)],
)
def test_sendfile_by_environment(text: str, value: bool) -> None:
    (setting,) = SETTINGS
    assert setting.env_value is not None
    assert setting.parse(setting.env_value(text)) is value


def test_sendfile_true_in_a_config_file_means_on() -> None:
    (setting,) = SETTINGS
    assert setting.parse(True) is True
    assert setting.default is True
