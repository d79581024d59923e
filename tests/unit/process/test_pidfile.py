from __future__ import annotations

import errno
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

_made: list[Pidfile] = []


def pidfile_at(path: str) -> Pidfile:
    """Make a pidfile whose lock is let go when the test ends."""
    made = Pidfile(path)
    _made.append(made)
    return made


@pytest.fixture(autouse=True)
def _locks_are_let_go() -> Iterator[None]:
    yield
    while _made:
        _made.pop().release()


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


@pytest.fixture
def master(path: Path) -> Iterator[int]:
    """The id of another process, which has made the pidfile and runs until the test ends."""
    made, end = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(end[1])
        pidfile_at(str(path)).create()
        os.write(made[1], b"!")
        os.read(end[0], 1)
        os._exit(0)
    os.close(end[0])
    os.read(made[0], 1)
    yield pid
    os.close(end[1])
    os.waitpid(pid, 0)
    for fd in made:
        os.close(fd)


def is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def dead() -> int:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def test_file_holds_the_process_id_and_anybody_may_read_it(path: Path) -> None:
    before = os.umask(0o077)
    try:
        pidfile_at(str(path)).create()
    finally:
        os.umask(before)
    assert path.read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert os.listdir(path.parent) == ["corn.pid"]


def test_running_master_is_not_replaced(path: Path, master: int) -> None:
    for _ in range(2):
        with pytest.raises(
            ConfigError, match=rf"^pidfile: .*corn\.pid' names process {master}, wh"
        ):
            pidfile_at(str(path)).create()
        assert path.read_text() == f"{master}\n"


@pytest.mark.parametrize("pid", [1, None], ids=["1", "running"])
def test_file_that_names_a_process_of_another_kind_is_taken_over(
    path: Path, running: int, pid: int | None
) -> None:
    path.write_text(f"{pid or running}\n")
    pidfile_at(str(path)).create()
    assert path.read_text() == f"{os.getpid()}\n"


def test_without_locks_any_running_process_is_respected(
    path: Path, running: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(fd: object, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    path.write_text(f"{running}\n")
    with pytest.raises(ConfigError, match=f"names process {running}"):
        pidfile_at(str(path)).create()
    path.write_text(f"{dead()}\n")
    pidfile_at(str(path)).create()
    assert path.read_text() == f"{os.getpid()}\n"


def test_lock_goes_with_the_file_and_ends_with_it(path: Path) -> None:
    pidfile, old = pidfile_at(f"{path}.2"), Path(f"{path}.old")
    pidfile.create()
    pidfile.rename(str(path))
    assert is_locked(path)
    path.rename(old)
    assert is_locked(old)
    pidfile.rename(str(path))
    assert is_locked(path) and not is_locked(old)
    pidfile.unlink()
    assert not path.exists()


def test_worker_that_outlives_its_master_does_not_keep_the_lock(path: Path) -> None:
    ready, end = os.pipe(), os.pipe()
    master = os.fork()
    if master == 0:
        os.close(end[1])
        pidfile = pidfile_at(str(path))
        pidfile.create()
        if os.fork() == 0:
            pidfile.release()
            os.write(ready[1], b"!")
            os.read(end[0], 1)
        os._exit(0)
    os.waitpid(master, 0)
    assert os.read(ready[0], 1) == b"!"
    assert not is_locked(path)
    for fd in (*ready, *end):
        os.close(fd)


@pytest.mark.parametrize("text", ["", "\n", "0\n", "99999999999999999999\n"])
def test_file_of_no_process_is_taken_over(path: Path, text: str) -> None:
    path.write_text(text)
    pidfile_at(str(path)).create()
    assert path.read_text() == f"{os.getpid()}\n"


def test_file_of_a_dead_process_is_taken_over(path: Path) -> None:
    path.write_text(f"{dead()}\n")
    pidfile_at(str(path)).create()
    assert path.read_text() == f"{os.getpid()}\n"


def test_file_may_be_written_again(path: Path) -> None:
    pidfile = pidfile_at(str(path))
    pidfile.create()
    pidfile.create()
    assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("content", [b"def app(environ, start_response):\n", b"-1\n", b"\xff\xfe"])
def test_other_files_are_not_overwritten(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^pidfile: "):
        pidfile_at(str(path)).create()
    assert path.read_bytes() == content


def test_place_where_no_file_can_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^pidfile: cannot read .*: .*Is a directory"):
        pidfile_at(str(tmp_path / ".")).create()


def test_directory_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        pidfile_at(str(tmp_path / "none" / "corn.pid")).create()
    assert str(caught.value) == (
        f"pidfile: cannot write '{tmp_path}/none/corn.pid': the directory '{tmp_path}/none' does"
        " not exist"
    )


def test_unlink(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    pidfile = pidfile_at("corn.pid")
    pidfile.create()
    monkeypatch.chdir("/")
    pidfile.unlink()
    assert not path.exists()
    pidfile.unlink()


def test_unlink_leaves_the_file_of_another_process(path: Path, running: int) -> None:
    pidfile = pidfile_at(str(path))
    pidfile.create()
    path.write_text(f"{running}\n")
    pidfile.unlink()
    assert path.read_text() == f"{running}\n"


def test_unlink_in_a_child_leaves_its_parents_file(path: Path) -> None:
    pidfile = pidfile_at(str(path))
    pidfile.create()
    pid = os.fork()
    if pid == 0:
        pidfile.unlink()
        os._exit(0)
    os.waitpid(pid, 0)
    assert path.exists()


def test_unlink_before_create_does_nothing(path: Path) -> None:
    path.write_text(f"{os.getpid()}\n")
    pidfile_at(str(path)).unlink()
    assert path.exists()


def test_rename(path: Path) -> None:
    pidfile = pidfile_at(f"{path}.2")
    pidfile.create()
    path.write_text(f"{dead()}\n")
    pidfile.rename(str(path))
    assert os.listdir(path.parent) == ["corn.pid"]
    assert path.read_text() == f"{os.getpid()}\n"
    assert pidfile.path == str(path)
    pidfile.rename(str(path))
    pidfile.unlink()
    assert os.listdir(path.parent) == []


def test_rename_to_the_file_of_a_running_master(path: Path, master: int) -> None:
    pidfile = pidfile_at(f"{path}.2")
    pidfile.create()
    with pytest.raises(ConfigError, match=f"names process {master}"):
        pidfile.rename(str(path))
    assert path.read_text() == f"{master}\n"
    assert Path(f"{path}.2").read_text() == f"{os.getpid()}\n"
    assert pidfile.path == f"{path}.2"


def test_setting() -> None:
    setting, scheme = SETTINGS
    assert scheme.parse(" OldBin ") == "oldbin" and scheme.default == "new"
    assert setting.parse("/run/corn.pid") == "/run/corn.pid"
    assert setting.parse(" ") is setting.default is None


def create_in_child(path: Path, start: int, end: tuple[int, int]) -> int:
    """Start a process that creates the pidfile at a byte on one pipe; the end of the other ends it.

    Its exit status says how that went; 0: the file is its own.
    """
    pid = os.fork()
    if pid == 0:
        try:
            os.close(end[1])
            os.read(start, 1)
            pidfile_at(str(path)).create()
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
    pidfile_at(str(path)).create()
    os.close(directory)
    assert path.read_text() == f"{os.getpid()}\n"


def test_the_lock_is_let_go(path: Path) -> None:
    pidfile_at(str(path)).create()
    directory = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(directory)


def test_rename_to_the_file_of_one_that_has_ended_and_is_still_counted(
    path: Path, master: int
) -> None:
    pidfile = pidfile_at(f"{path}.2")
    pidfile.create()
    pidfile.rename(str(path), instead_of=master)
    assert path.read_text() == f"{os.getpid()}\n"


def test_leave_to(path: Path, running: int) -> None:
    pidfile = pidfile_at(str(path))
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
    pidfile = pidfile_at(str(path))
    pidfile.create()
    path.write_text("1\n")
    Path(f"{path}.2").write_text(f"{running}\n")
    pidfile.leave_to(running, f"{path}.2")
    assert path.read_text() == "1\n"
