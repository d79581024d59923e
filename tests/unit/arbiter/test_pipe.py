"""The lines that workers write to the master, over a real pipe."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Callable, Iterator

import pytest

from corn_core.arbiter.pipe import DUMP_LINES, Failure, Notice, WorkerPipe
from corn_core.worker.base import MARK

Write = Callable[[bytes], None]


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for fd in (reading, writing):
        try:
            os.close(fd)
        except OSError:
            pass  # the test has closed it


@pytest.fixture
def worker_pipe(pipe: tuple[int, int]) -> WorkerPipe:
    return WorkerPipe(pipe[0])


@pytest.fixture
def write(pipe: tuple[int, int]) -> Write:
    return lambda data: (os.write(pipe[1], data), None)[1]


def told(text: bytes) -> bytes:
    """Make what Worker.report writes."""
    return MARK + text + b"\n"


def test_reading_an_empty_pipe_does_not_wait(worker_pipe: WorkerPipe) -> None:
    assert worker_pipe.read() == []
    assert not worker_pipe.ended


def test_messages_in_order(worker_pipe: WorkerPipe, write: Write) -> None:
    write(told(b"ready") + told(b"retiring") + told(b"outdated"))
    assert worker_pipe.read() == [Notice.READY, Notice.RETIRING, Notice.OUTDATED]
    assert worker_pipe.read() == []


def test_a_message_in_pieces(worker_pipe: WorkerPipe, write: Write) -> None:
    write(told(b"ready")[:4])
    assert worker_pipe.read() == []
    write(told(b"ready")[4:] + told(b"retiring")[:4])
    assert worker_pipe.read() == [Notice.READY]


def test_a_failure(worker_pipe: WorkerPipe, write: Write) -> None:
    write(told(b'failed {"status": 4, "message": "no app", "details": "Trace\\nback"}'))
    assert worker_pipe.read() == [Failure("no app", 4, "Trace\nback")]


@pytest.mark.parametrize("text", [b'{"status": 4, "mess', b"[]", b'{"status": "x"}', b""])
def test_a_failure_that_cannot_be_read_is_one_all_the_same(
    worker_pipe: WorkerPipe, write: Write, text: bytes
) -> None:
    write(told(b"failed " + text))
    assert worker_pipe.read() == [Failure(text.decode(), 3, "")]


def test_what_a_dead_worker_has_left(
    worker_pipe: WorkerPipe, write: Write, pipe: tuple[int, int]
) -> None:
    write(told(b'failed {"status": 4, "message": "no app", "details": ""}')[:-1])
    os.close(pipe[1])
    assert worker_pipe.read() == [Failure("no app", 4, "")]
    assert worker_pipe.ended
    assert worker_pipe.read() == []


def test_a_message_larger_than_a_read(worker_pipe: WorkerPipe, write: Write) -> None:
    details = "x" * 50_000
    for _ in range(3):
        write(told(b'failed {"status": 3, "message": "m", "details": "%s"}' % details.encode()))
        assert worker_pipe.read() == [Failure("m", 3, details)]


def test_anything_else_is_a_dump(
    worker_pipe: WorkerPipe, write: Write, pipe: tuple[int, int]
) -> None:
    write(told(b"ready"))
    faulthandler.dump_traceback(pipe[1], all_threads=True)
    write(b"readying\n\xff\n")
    assert worker_pipe.read() == [Notice.READY]
    dump = worker_pipe.take_dump()
    assert "test_anything_else_is_a_dump" in dump
    assert dump.endswith("readying\n\\xff")
    assert worker_pipe.take_dump() == ""


@pytest.mark.parametrize("line", [b"ready", b"retiring", b"outdated", b"failed {}"])
def test_a_line_of_a_dump_is_no_message(worker_pipe: WorkerPipe, write: Write, line: bytes) -> None:
    write(line + b"\n")
    assert worker_pipe.read() == []
    assert worker_pipe.take_dump() == line.decode()


def test_a_message_in_the_middle_of_a_dumps_line(worker_pipe: WorkerPipe, write: Write) -> None:
    write(b'  File "app.py", ' + told(b"ready") + b"line 3 in app\n")
    assert worker_pipe.read() == [Notice.READY]
    assert worker_pipe.take_dump() == '  File "app.py", \nline 3 in app'


def test_a_file_whose_name_looks_like_a_message(
    worker_pipe: WorkerPipe, write: Write, pipe: tuple[int, int]
) -> None:
    """faulthandler escapes what a name could forge a line with."""
    scope = {"fault": lambda: faulthandler.dump_traceback(pipe[1], all_threads=False)}
    name = "x\n" + told(b"ready").decode()
    exec(compile("def f(): fault()", name, "exec"), scope)
    scope["f"]()
    assert worker_pipe.read() == []
    assert "ready" in worker_pipe.take_dump()


def test_a_dump_is_cut(worker_pipe: WorkerPipe, write: Write) -> None:
    for _ in range(3):
        write(b"x\n" * DUMP_LINES)
        worker_pipe.read()
    assert len(worker_pipe.take_dump().splitlines()) == DUMP_LINES
