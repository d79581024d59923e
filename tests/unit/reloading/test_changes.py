"""When a file counts as changed."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event
from time import monotonic, time

import pytest

from corn_core.reloading.files import Snapshot


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "file"
    path.write_text("1")
    return str(path)


def age(path: str, seconds: float) -> None:
    """Let a file be so old."""
    saved = time() - seconds
    os.utime(path, (saved, saved))


def test_change_is_told_once(file: str) -> None:
    snapshot = Snapshot()
    assert not snapshot.add(file)
    assert not snapshot.changed(file)
    Path(file).write_text("22")
    assert snapshot.changed(file)
    assert not snapshot.changed(file)


def test_same_size_is_a_change_too_and_so_is_an_older_file(file: str) -> None:
    snapshot = Snapshot()
    snapshot.add(file)
    age(file, 3600)
    assert snapshot.changed(file)


@pytest.mark.parametrize(
    ("saved_ago", "since_ago", "expected"),
    [(20, 10, False), (10, 20, True), (-3600, 10, False), (10, None, False)],
)
def test_what_was_saved_before_it_was_looked_at(
    file: str, saved_ago: float, since_ago: float | None, expected: bool
) -> None:
    age(file, saved_ago)
    since = None if since_ago is None else time() - since_ago
    assert Snapshot().add(file, since) is expected


def test_file_that_is_made(tmp_path: Path) -> None:
    path = str(tmp_path / "new")
    snapshot = Snapshot()
    assert not snapshot.add(path, since=0.0)
    assert not snapshot.changed(path)
    Path(path).write_text("")
    assert snapshot.changed(path)


def test_file_that_is_moved_away_for_a_moment(file: str) -> None:
    snapshot = Snapshot()
    snapshot.add(file)
    os.rename(file, file + "~")
    assert not snapshot.changed(file)
    os.rename(file + "~", file)
    assert not snapshot.changed(file)


def test_file_that_is_removed_for_good(file: str) -> None:
    snapshot = Snapshot()
    snapshot.add(file)
    os.unlink(file)
    deadline, never = monotonic() + 10, Event()
    while not snapshot.changed(file):
        assert monotonic() < deadline
        never.wait(0.01)
    assert not snapshot.changed(file), "told once"
    Path(file).write_text("1")
    assert snapshot.changed(file)
