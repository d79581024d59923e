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
    snapshot.add(file)
    assert snapshot.changed() == []
    Path(file).write_text("22")
    assert snapshot.changed() == [file]
    assert snapshot.changed() == []


def test_same_size_is_a_change_too_and_so_is_an_older_file(file: str) -> None:
    snapshot = Snapshot()
    snapshot.add(file)
    age(file, 3600)
    assert snapshot.changed() == [file]


@pytest.mark.parametrize(
    ("saved_ago", "since_ago", "expected"),
    [(20, 10, False), (10, 20, True), (-3600, 10, False), (10, None, False)],
)
def test_what_was_saved_before_it_was_looked_at(
    file: str, saved_ago: float, since_ago: float | None, expected: bool
) -> None:
    age(file, saved_ago)
    since = None if since_ago is None else time() - since_ago
    snapshot = Snapshot()
    snapshot.add(file, since)
    assert snapshot.changed() == ([file] if expected else [])
    assert snapshot.changed() == []


def test_what_is_watched_already_is_not_added_again(file: str) -> None:
    snapshot = Snapshot()
    snapshot.add(file)
    Path(file).write_text("22")
    snapshot.add(file)
    assert snapshot.changed() == [file]
    snapshot.add(file, 0.0)
    snapshot.add_created(file)
    assert snapshot.changed() == []


def test_what_was_not_there_before(file: str) -> None:
    snapshot = Snapshot()
    age(file, -3600)
    snapshot.add_created(file)
    assert snapshot.changed() == [file]
    assert snapshot.changed() == []


def test_file_that_is_made(tmp_path: Path) -> None:
    path = str(tmp_path / "new")
    snapshot = Snapshot()
    snapshot.add(path, since=0.0)
    assert snapshot.changed() == []
    Path(path).write_text("")
    assert snapshot.changed() == [path]


def test_file_that_is_moved_away_for_a_moment(file: str) -> None:
    snapshot = Snapshot()
    snapshot.add(file)
    os.rename(file, file + "~")
    assert snapshot.changed() == []
    os.rename(file + "~", file)
    assert snapshot.changed() == []


def test_file_that_is_removed_for_good(file: str) -> None:
    snapshot = Snapshot()
    snapshot.add(file)
    os.unlink(file)
    deadline, never = monotonic() + 10, Event()
    while not snapshot.changed():
        assert monotonic() < deadline
        never.wait(0.01)
    assert snapshot.changed() == [], "told once"
    Path(file).write_text("1")
    assert snapshot.changed() == [file]
