from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from corn_core.errors import ConfigError
from corn_core.process.pidfile import SETTINGS, Pidfile
from corn_testkit.waiting import alive, wait_for


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "corn.pid"


@pytest.fixture
def running() -> Iterator[int]:
    """The id of another process that runs until the test ends."""
    read_fd, write_fd = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(write_fd)
        os.read(read_fd, 1)
        os._exit(0)
    os.close(read_fd)
    yield pid
    os.close(write_fd)
    os.waitpid(pid, 0)


def dead() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_file_holds_the_process_id_and_anybody_may_read_it(path: Path) -> None:
    before = os.umask(0o077)
    try:
        Pidfile(str(path)).create()
    finally:
        os.umask(before)
    assert path.read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == ["corn.pid"]


def test_running_process_is_not_replaced(path: Path, running: int) -> None:
    path.write_text(f"{running}\n")
    with pytest.raises(ConfigError, match=rf"^pidfile: .*corn\.pid' names process {running}, whi"):
        Pidfile(str(path)).create()
    assert path.read_text() == f"{running}\n"


@pytest.mark.parametrize("text", ["", "\n", "0\n", "99999999999999999999\n"])
def test_file_of_no_process_is_taken_over(path: Path, text: str) -> None:
    path.write_text(text)
    Pidfile(str(path)).create()
    assert path.read_text() == f"{os.getpid()}\n"


def test_file_of_a_dead_process_is_taken_over(path: Path) -> None:
    path.write_text(f"{dead()}\n")
    Pidfile(str(path)).create()
    assert path.read_text() == f"{os.getpid()}\n"


def test_file_may_be_written_again(path: Path) -> None:
    pidfile = Pidfile(str(path))
    pidfile.create()
    pidfile.create()
    assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", [b"def app(environ, start_response):\n", b"-1\n", b"\xff\xfe"])
def test_other_files_are_not_overwritten(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^pidfile: "):
        Pidfile(str(path)).create()
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["none/corn.pid", "."])
def test_place_where_no_file_can_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"^pidfile: cannot (read|write) "):
        Pidfile(str(tmp_path / name)).create()


def test_unlink(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    pidfile = Pidfile("corn.pid")
    pidfile.create()
    monkeypatch.chdir("/")
    pidfile.unlink()
    assert not path.exists()
    pidfile.unlink()


def test_unlink_leaves_the_file_of_another_process(path: Path, running: int) -> None:
    pidfile = Pidfile(str(path))
    pidfile.create()
    path.write_text(f"{running}\n")
    pidfile.unlink()
    assert path.read_text() == f"{running}\n"


def test_unlink_in_a_child_leaves_its_parents_file(path: Path) -> None:
    pidfile = Pidfile(str(path))
    pidfile.create()
    pid = os.fork()
    if pid == 0:
        pidfile.unlink()
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.exists()


def test_unlink_before_create_does_nothing(path: Path) -> None:
    path.write_text(f"{os.getpid()}\n")
    Pidfile(str(path)).unlink()
    assert path.exists()


def test_rename(path: Path) -> None:
    pidfile = Pidfile(f"{path}.2")
    pidfile.create()
    path.write_text(f"{dead()}\n")
    pidfile.rename(str(path))
    assert os.listdir(path.parent) == ["corn.pid"]
    assert path.read_text() == f"{os.getpid()}\n"
    assert pidfile.path == str(path)
    pidfile.rename(str(path))
    pidfile.unlink()
    assert os.listdir(path.parent) == []


def test_rename_to_the_file_of_a_running_process(path: Path, running: int) -> None:
    pidfile = Pidfile(f"{path}.2")
    pidfile.create()
    path.write_text(f"{running}\n")
    with pytest.raises(ConfigError, match=f"names process {running}"):
        pidfile.rename(str(path))
    assert path.read_text() == f"{running}\n"
    assert Path(f"{path}.2").read_text() == f"{os.getpid()}\n"
    assert pidfile.path == f"{path}.2"


def test_setting() -> None:
    setting, scheme = SETTINGS
    assert scheme.parse(" OldBin ") == "oldbin" and scheme.default == "new"
    assert setting.parse("/run/corn.pid") == "/run/corn.pid"
    assert setting.parse(" ") is setting.default is None


def create_in_child(path: Path, start: int, end: tuple[int, int]) -> int:
    """A process that creates the pidfile at a byte on one pipe, and lives until the other ends.

    Its exit status says how that went; 0: the file is its own.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.close(end[1])
            os.read(start, 1)
            Pidfile(str(path)).create()
        except ConfigError:
            os._exit(1)
        except BaseException:
            os._exit(2)
        # Not before all have tried: the file of a process that has ended may be taken over.
        os.read(end[0], 1)
        os._exit(0)
    return pid


@pytest.mark.parametrize("stale", [False, True], ids=["none", "stale"])
def test_only_one_of_many_at_once_gets_it(path: Path, stale: bool) -> None:
    old = dead()
    for _ in range(10):
        path.unlink(missing_ok=True)
        if stale:
            path.write_text(f"{old}\n")
        start, end = os.pipe(), os.pipe()
        children = {create_in_child(path, start[0], end) for _ in range(4)}
        os.write(start[1], b"all!")
        wait_for(partial(three_ended, children), "three to give up")
        assert path.read_text().strip() in map(str, children - ended(children))
        os.close(end[1])
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        assert sorted(codes) == [0, 1, 1, 1]
        for fd in (*start, end[0]):
            os.close(fd)


def three_ended(pids: set[int]) -> bool:
    return len(ended(pids)) >= 3


def ended(pids: set[int]) -> set[int]:
    return {pid for pid in pids if not alive(pid)}


def test_a_lock_that_somebody_keeps_prevents_nothing(path: Path) -> None:
    directory = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX)
    Pidfile(str(path)).create()
    os.close(directory)
    assert path.read_text() == f"{os.getpid()}\n"


def test_the_lock_is_let_go(path: Path) -> None:
    Pidfile(str(path)).create()
    directory = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(directory)


def test_rename_to_the_file_of_one_that_has_ended_and_is_still_counted(
    path: Path, running: int
) -> None:
    pidfile = Pidfile(f"{path}.2")
    pidfile.create()
    path.write_text(f"{running}\n")
    pidfile.rename(str(path), instead_of=running)
    assert path.read_text() == f"{os.getpid()}\n"


def test_leave_to(path: Path, running: int) -> None:
    pidfile = Pidfile(str(path))
    pidfile.create()
    heirs = Path(f"{path}.2")
    pidfile.leave_to(running, str(heirs))
    heirs.write_text("1\n")
    pidfile.leave_to(running, str(heirs))
    assert path.read_text() == f"{os.getpid()}\n"
    heirs.write_text(f"{running}\n")
    pidfile.leave_to(running, str(heirs))
    pidfile.unlink()
    assert os.listdir(path.parent) == ["corn.pid"]
    assert path.read_text() == f"{running}\n"


def test_leave_to_of_a_file_that_is_another_process_by_now(path: Path, running: int) -> None:
    pidfile = Pidfile(str(path))
    pidfile.create()
    path.write_text("1\n")
    Path(f"{path}.2").write_text(f"{running}\n")
    pidfile.leave_to(running, f"{path}.2")
    assert path.read_text() == "1\n"
