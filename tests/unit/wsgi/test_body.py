"""The request body: the same as io.BytesIO to read, in memory or in a temporary file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corn_core.errors import BodyNotStored
from corn_core.setting import Expected
from corn_core.wsgi import RequestBody, empty_body
from corn_core.wsgi.body import MEMORY_LIMIT, SETTINGS
from tests.unit.wsgi.harness import make_body

sizes = st.none() | st.integers(-2, 40)
reads = st.one_of(
    st.tuples(st.just("read"), sizes),
    st.tuples(st.just("readline"), sizes),
    st.tuples(st.just("readlines"), sizes),
    st.tuples(st.just("read1"), st.integers(-1, 40)),
    st.tuples(st.sampled_from(["read", "readline", "readlines", "__next__"])),
)
pieces = st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"a\nb", b"\r\n"]), max_size=12)


def outcome(file: Any, call: tuple[Any, ...]) -> object:
    name, *arguments = call
    try:
        return getattr(file, name)(*arguments)
    except StopIteration:
        return "exhausted"


def assert_reads_like_bytesio(body: RequestBody, data: bytes, calls: list[Any]) -> None:
    expected = io.BytesIO(data)
    for call in calls:
        assert outcome(body, call) == outcome(expected, call), call
    assert list(body) == list(expected)
    assert body.read() == b""


@given(pieces, st.lists(reads, max_size=8))
def test_reads_like_bytesio_in_memory(pieces: list[bytes], calls: list[Any]) -> None:
    body = make_body(*pieces)
    assert_reads_like_bytesio(body, b"".join(pieces), calls)
    body.close()


@given(pieces, st.lists(reads, max_size=8))
def test_reads_like_bytesio_from_disk(pieces: list[bytes], calls: list[Any]) -> None:
    # read1 of a file may give less than it could, which is its purpose.
    calls = [call for call in calls if call[0] != "read1"]
    front = b"x" * (MEMORY_LIMIT + 1)
    body = make_body(front, *pieces)
    try:
        assert body.read(len(front)) == front
        assert_reads_like_bytesio(body, b"".join(pieces), calls)
    finally:
        body.close()


@given(st.lists(reads, max_size=8))
def test_empty_body_reads_like_bytesio(calls: list[Any]) -> None:
    assert_reads_like_bytesio(empty_body(), b"", calls)


@pytest.mark.parametrize("front", [0, MEMORY_LIMIT])
@pytest.mark.parametrize("size", [-1, -2, None])
def test_any_negative_size_reads_to_the_end(front: int, size: int | None) -> None:
    body = make_body(b"x" * front + b"one\ntwo")
    assert body.read(front) == b"x" * front
    assert body.readline(size) == b"one\n"
    assert body.read(size) == b"two"
    body.close()


def test_readinto_fills_what_there_is() -> None:
    body = make_body(b"abcdef")
    buffer = bytearray(4)
    assert body.readinto(buffer) == 4
    assert buffer == b"abcd"
    assert body.readinto(buffer) == 2
    assert buffer == b"efcd"
    assert empty_body().readinto(buffer) == 0


def test_empty_body_survives_close() -> None:
    empty_body().close()
    assert empty_body().read() == b""


def test_up_to_the_limit_stays_in_memory(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    body = make_body(b"x" * (MEMORY_LIMIT - 1), b"y", tmp_dir=missing)
    assert body.read() == b"x" * (MEMORY_LIMIT - 1) + b"y"


@pytest.mark.parametrize("split", [1, MEMORY_LIMIT, MEMORY_LIMIT + 1])
def test_beyond_the_limit_goes_to_an_unnamed_file(tmp_path: Path, split: int) -> None:
    data = os.urandom(MEMORY_LIMIT + 1)
    before = set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()
    body = make_body(data[:split], data[split:] + b"end", tmp_dir=str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert body.read() == data + b"end"
    if before:
        assert len(set(os.listdir("/proc/self/fd")) - before) == 1
    body.close()
    if before:
        assert set(os.listdir("/proc/self/fd")) - before == set()


def append_beyond_limit(body: RequestBody) -> None:
    body.append(b"x" * (MEMORY_LIMIT + 1))


@pytest.mark.parametrize("length", [0, 1, MEMORY_LIMIT, MEMORY_LIMIT + 1])
@pytest.mark.parametrize("split", [0, 1])
def test_last_piece_comes_with_the_end(tmp_path: Path, length: int, split: int) -> None:
    data = bytes(range(256)) * (length // 256 + 1)
    body = RequestBody(str(tmp_path))
    if split:
        body.append(data[:split])
    body.finish(data[split:length])
    assert body.read() == data[: max(split, length)]
    assert isinstance(body._file, io.BytesIO) is (length <= MEMORY_LIMIT)
    body.close()


def test_body_that_will_be_long_is_never_in_memory(tmp_path: Path) -> None:
    body = RequestBody(str(tmp_path), length=MEMORY_LIMIT + 1)
    body.append(b"x")
    assert not isinstance(body._file, io.BytesIO)
    body.append(b"y" * MEMORY_LIMIT)
    body.finish()
    assert body.read() == b"x" + b"y" * MEMORY_LIMIT
    body.close()


def append_after_one_in_memory(body: RequestBody) -> None:
    body.append(b"x")
    body.append(b"x" * MEMORY_LIMIT)


@pytest.mark.parametrize("fill", [append_beyond_limit, append_after_one_in_memory])
def test_directory_that_is_gone_fails_the_request(
    tmp_path: Path, fill: Callable[[RequestBody], None]
) -> None:
    body = RequestBody(str(tmp_path / "gone"))
    with pytest.raises(BodyNotStored, match=r"gone: No such file or directory$") as caught:
        fill(body)
    assert caught.value.status == 507
    body.close()


def test_full_disk_fails_the_request() -> None:
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full to stand for a full disk")
    body = RequestBody(None)
    body.append(b"x" * (MEMORY_LIMIT + 1))
    assert body._file is not None
    full = os.open("/dev/full", os.O_RDWR)
    os.dup2(full, body._file.fileno())
    os.close(full)
    with pytest.raises(BodyNotStored, match="No space left on device"):
        # What fits its buffer fails when the body is finished, what does not at once.
        body.append(b"y")
        body.finish()
    with pytest.raises(BodyNotStored, match="No space left on device"):
        body.append(b"y" * 100_000)
    body.close()


def test_closing_twice_is_no_error() -> None:
    body = make_body(b"x")
    body.close()
    body.close()
    with pytest.raises(ValueError, match="closed"):
        body.read()


def test_closing_before_anything_came_is_no_error() -> None:
    RequestBody(None).close()


def test_tmp_upload_dir_accepts_a_writable_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (setting,) = SETTINGS
    (tmp_path / "uploads").mkdir()
    assert setting.parse(str(tmp_path)) == str(tmp_path)
    assert setting.parse(tmp_path) == str(tmp_path)
    assert setting.parse(None) is setting.parse("") is None
    monkeypatch.chdir(tmp_path)
    assert setting.parse("uploads") == str(tmp_path / "uploads")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_tmp_upload_dir_refuses_one_that_cannot_be_written_to(tmp_path: Path) -> None:
    (setting,) = SETTINGS
    (tmp_path / "locked").mkdir(mode=0o555)
    with pytest.raises(Expected, match="may write to"):
        setting.parse(str(tmp_path / "locked"))


@pytest.mark.parametrize("wrong", ["missing", "file", 5, b"/tmp"])
def test_tmp_upload_dir_refuses_anything_else(tmp_path: Path, wrong: object) -> None:
    (setting,) = SETTINGS
    (tmp_path / "file").touch()
    raw = str(tmp_path / wrong) if isinstance(wrong, str) else wrong
    with pytest.raises(Expected, match="an existing directory that the server may write to"):
        setting.parse(raw)
