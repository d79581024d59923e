"""The outbox: order and content are kept, whether in memory, in a file or of a file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_core.serving.outbox import MEMORY_LIMIT, FileRegion, Outbox
from tests.fuzzing import examples


def take(outbox: Outbox, count: int) -> bytes:
    """The next bytes, at most ``count``, as a client that reads them would see them."""
    piece = outbox.head()
    assert piece is not None
    if isinstance(piece, FileRegion):
        data = os.pread(piece.fd, min(count, piece.count), piece.offset)
    else:
        data = bytes(piece[:count])
    outbox.advance(len(data))
    return data


def drain(outbox: Outbox, count: int = 100_000) -> bytes:
    taken = b""
    while outbox:
        taken += take(outbox, count)
    return taken


def test_an_empty_outbox_is_false_and_has_no_head() -> None:
    outbox = Outbox(None)
    assert not outbox
    assert outbox.head() is None
    assert outbox.size == 0


def test_what_fits_in_memory_makes_no_file(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path / "missing"))
    outbox.append(b"x" * MEMORY_LIMIT)
    assert outbox.size == MEMORY_LIMIT
    assert drain(outbox) == b"x" * MEMORY_LIMIT
    with pytest.raises(FileNotFoundError):
        outbox.append(b"x" * (MEMORY_LIMIT + 1))


def test_a_partial_advance_keeps_the_rest() -> None:
    outbox = Outbox(None)
    outbox.append(b"abcdef")
    assert take(outbox, 2) == b"ab"
    assert outbox.size == 4
    assert drain(outbox) == b"cdef"


def test_the_temporary_file_has_no_name(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path))
    outbox.append(b"x" * (MEMORY_LIMIT + 1))
    assert list(tmp_path.iterdir()) == []
    outbox.close()


def test_a_file_region_survives_the_close_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    outbox = Outbox(None)
    with path.open("rb") as file:
        assert outbox.append_file(file.fileno(), 2, 5)
    assert drain(outbox, 3) == b"23456"


def test_a_file_region_is_refused_behind_spilled_bytes(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path))
    outbox.append(b"x" * (MEMORY_LIMIT + 1))
    with (tmp_path / "data").open("wb+") as file:
        file.write(b"y")
        assert not outbox.append_file(file.fileno(), 0, 1)
    outbox.close()


def test_close_closes_the_descriptor_of_a_file_region(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_bytes(b"0123456789")
    outbox = Outbox(None)
    with path.open("rb") as file:
        outbox.append_file(file.fileno(), 0, 10)
    piece = outbox.head()
    assert isinstance(piece, FileRegion)
    outbox.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(piece.fd)


def test_a_spool_that_was_read_back_is_written_from_its_beginning_again(tmp_path: Path) -> None:
    outbox = Outbox(str(tmp_path))
    for round_number in range(3):
        data = bytes([round_number]) * (MEMORY_LIMIT + 10)
        outbox.append(data)
        assert drain(outbox) == data
    assert outbox._file is not None
    assert os.fstat(outbox._file.fileno()).st_size <= MEMORY_LIMIT + 10
    outbox.close()


@examples(60)
@given(
    st.lists(st.tuples(st.integers(1, 400_000), st.integers(0, 600_000)), min_size=1, max_size=12)
)
def test_order_is_kept_for_any_interleaving(steps: list[tuple[int, int]]) -> None:
    outbox = Outbox(None)
    written, read = bytearray(), bytearray()
    for number, (size, budget) in enumerate(steps):
        data = bytes([number]) * size
        outbox.append(data)
        written += data
        while outbox and budget > 0:
            piece = take(outbox, budget)
            budget -= len(piece)
            read += piece
    read += drain(outbox)
    assert read == written
    assert outbox.size == 0
    outbox.close()
