"""The engine, on a real directory."""

from __future__ import annotations

from pathlib import Path
from threading import Event, Thread
from time import monotonic

import pytest

from corn_watchfiles import engine as module
from corn_watchfiles.engine import WatchfilesEngine


@pytest.fixture(autouse=True)
def long_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wait that nothing ends take longer than any test may."""
    monkeypatch.setattr(module, "RELOAD_PERIOD", 30.0)


class Waiting:
    """A thread in which the engine waits, again and again, until it is stopped."""

    def __init__(self, *directories: Path) -> None:
        self.stop, self.returned = Event(), Event()
        self._directories = {str(each) for each in directories}
        self._thread = Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        engine = WatchfilesEngine()
        while not self.stop.is_set():
            engine.wait(self._directories, self.stop)
            self.returned.set()

    def end(self) -> bool:
        """Tell it to end; returns whether it did."""
        self.stop.set()
        self._thread.join(10)
        return not self._thread.is_alive()


def returns_after_saving(waiting: Waiting, path: Path) -> bool:
    """Save a file, repeatedly because the wait may not have begun; returns whether it returned."""
    end = monotonic() + 10
    while not waiting.returned.wait(0.2) and monotonic() < end:
        path.write_text(str(monotonic()))
    return waiting.returned.is_set()


def test_wait_returns_when_a_file_is_saved(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path)
    try:
        assert returns_after_saving(waiting, tmp_path / "file.py")
        waiting.returned.clear()
        assert returns_after_saving(waiting, tmp_path / "file.py"), "the second time too"
    finally:
        assert waiting.end()


def test_directories_may_change(tmp_path: Path) -> None:
    """A change of directory takes effect although the first one never reports anything."""
    engine, stop = WatchfilesEngine(), Event()
    first, second = tmp_path / "first", tmp_path / "second"
    returned = Event()

    def run() -> None:
        engine.wait({str(first)}, stop)
        engine.wait({str(second)}, stop)
        returned.set()

    for directory in (first, second):
        directory.mkdir()
    thread = Thread(target=run)
    thread.start()
    end = monotonic() + 10
    while not returned.wait(0.2) and monotonic() < end:
        (first / "file").write_text(str(monotonic()))
        (second / "file").write_text(str(monotonic()))
    stop.set()
    thread.join(10)
    assert returned.is_set()


@pytest.mark.parametrize("watched", [True, False])
def test_wait_ends_when_told_to_stop(tmp_path: Path, watched: bool) -> None:
    waiting = Waiting(*[tmp_path] * watched)
    assert not waiting.returned.is_set()
    assert waiting.end()
