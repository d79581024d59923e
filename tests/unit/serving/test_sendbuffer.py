"""The send_buffer: order and content are kept, whether in memory, in a file or of a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_core.serving.sendbuffer import MEMORY_LIMIT, FileRegion, SendBuffer
from tests.fuzzing import examples


def take(send_buffer: SendBuffer, count: int) -> bytes:
    """Return the next bytes, at most ``count``, as a client that reads them would see them."""
    piece = send_buffer.head()
    assert piece is not None
    if isinstance(piece, FileRegion):
        data = os.pread(piece.fd, min(count, piece.count), piece.offset)
    else:
        data = bytes(piece[:count])
    send_buffer.advance(len(data))
    return data


def drain(send_buffer: SendBuffer, count: int = 100_000) -> bytes:
    taken = b""
    while send_buffer:
        taken += take(send_buffer, count)
    return taken


def test_an_empty_outbox_is_false_and_has_no_head() -> None:
    send_buffer = SendBuffer(None)
    assert not send_buffer
    assert send_buffer.head() is None
    assert send_buffer.size == 0


def test_what_fits_in_memory_makes_no_file(tmp_path: Path) -> None:
    send_buffer = SendBuffer(str(tmp_path / "missing"))
    send_buffer.append(b"x" * MEMORY_LIMIT)
    assert send_buffer.size == MEMORY_LIMIT
    assert drain(send_buffer) == b"x" * MEMORY_LIMIT
    with pytest.raises(FileNotFoundError):
        send_buffer.append(b"x" * (MEMORY_LIMIT + 1))


def test_a_partial_advance_keeps_the_rest() -> None:
    send_buffer = SendBuffer(None)
    send_buffer.append(b"abcdef")
    assert take(send_buffer, 2) == b"ab"
    assert send_buffer.size == 4
    assert drain(send_buffer) == b"cdef"


def test_the_temporary_file_has_no_name(tmp_path: Path) -> None:
    send_buffer = SendBuffer(str(tmp_path))
    send_buffer.append(b"x" * (MEMORY_LIMIT + 1))
    assert list(tmp_path.iterdir()) == []
    send_buffer.close()


def test_a_file_region_survives_the_close_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    send_buffer = SendBuffer(None)
    with path.open("rb") as file:
        assert send_buffer.append_file(file.fileno(), 2, 5)
    assert drain(send_buffer, 3) == b"23456"


def test_a_file_region_is_refused_behind_spilled_bytes(tmp_path: Path) -> None:
    send_buffer = SendBuffer(str(tmp_path))
    send_buffer.append(b"x" * (MEMORY_LIMIT + 1))
    with (tmp_path / "data").open("wb+") as file:
        file.write(b"y")
        assert not send_buffer.append_file(file.fileno(), 0, 1)
    send_buffer.close()


def test_close_closes_the_descriptor_of_a_file_region(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    send_buffer = SendBuffer(None)
    with path.open("rb") as file:
        send_buffer.append_file(file.fileno(), 0, 10)
    piece = send_buffer.head()
    assert isinstance(piece, FileRegion)
    send_buffer.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(piece.fd)


def test_a_spool_that_was_read_back_is_written_from_its_beginning_again(tmp_path: Path) -> None:
    send_buffer = SendBuffer(str(tmp_path))
    for round_number in range(3):
        data = bytes([round_number]) * (MEMORY_LIMIT + 10)
        send_buffer.append(data)
        assert drain(send_buffer) == data
    assert send_buffer._file is not None
    assert os.fstat(send_buffer._file.fileno()).st_size <= MEMORY_LIMIT + 10
    send_buffer.close()


@examples(60)
@given(
    st.lists(st.tuples(st.integers(1, 400_000), st.integers(0, 600_000)), min_size=1, max_size=12)
)
def test_order_is_kept_for_any_interleaving(steps: list[tuple[int, int]]) -> None:
    send_buffer = SendBuffer(None)
    written, read = bytearray(), bytearray()
    for number, (size, budget) in enumerate(steps):
        data = bytes([number]) * size
        send_buffer.append(data)
        written += data
        while send_buffer and budget > 0:
            piece = take(send_buffer, budget)
            budget -= len(piece)
            read += piece
    read += drain(send_buffer)
    assert read == written
    assert send_buffer.size == 0
    send_buffer.close()
