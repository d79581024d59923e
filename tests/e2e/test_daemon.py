"""daemon: the server in the background, and the command that starts it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from corn_testkit.client import Address
from corn_testkit.server import APPS, COMMAND, environment
from corn_testkit.waiting import DEADLINE, alive, children, wait_for


@dataclass
class Launched:
    """The outcome of a command that starts a daemon, and the daemon if there is one."""

    status: int
    stdout: str
    stderr: str
    directory: Path

    @property
    def pid(self) -> int:
        return int((self.directory / "pid").read_text())

    @property
    def address(self) -> Address:
        return Address(f"unix:{self.directory}/sock")

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def stop(self) -> None:
        pid = self.pid
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not alive(pid), "the daemon to end")
        assert not (self.directory / "pid").exists()


class Launch:
    """Starts daemons in a directory; what still runs in the end is killed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def command(self, *arguments: str) -> list[str]:
        files = [f"--pid={self.directory}/pid", f"--bind=unix:{self.directory}/sock"]
        return [COMMAND, *files, *arguments]

    def __call__(self, *arguments: str, log: bool = True, **options: object) -> Launched:
        """Run the command to its end; it is an error when it does not end."""
        file = [f"--log-file={self.directory}/log"] if log else []
        defaults = {"cwd": APPS, "env": environment(), "stdin": subprocess.DEVNULL}
        done = subprocess.run(
            self.command("--daemon", *file, *arguments),
            **{"capture_output": True, **defaults, **options},  # type: ignore[call-overload]
            text=True,
            timeout=DEADLINE * 2,
        )
        return Launched(done.returncode, done.stdout or "", done.stderr or "", self.directory)

    def kill(self) -> None:
        for entry in Path("/proc").iterdir():
            try:
                command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                variables = (entry / "environ").read_bytes() if command else b""
            except OSError:
                continue  # it has ended meanwhile
            if os.fsencode(f"LAUNCHED_IN={self.directory}") in variables:
                os.kill(int(entry.name), signal.SIGKILL)


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    monkeypatch.setenv("LAUNCHED_IN", str(tmp_path))
    made = Launch(tmp_path)
    yield made
    made.kill()


def stat_of(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the parent on (proc(5)): ppid, pgrp, session, tty_nr."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1:]


def streams_of(pid: int) -> list[str]:
    return [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)]


def test_it_serves_when_the_command_has_ended(launch: Launch) -> None:
    done = launch("--workers=2", "probe:app")
    assert (done.status, done.stdout, done.stderr) == (0, "", "")
    assert done.address.request("GET", "/").text == "hello"
    workers = children(done.pid)
    assert len(workers) == 2, "all of them, already now"
    for pid in (done.pid, *workers):
        assert streams_of(pid) == [os.devnull] * 3
    parent, _, session, terminal = map(int, stat_of(done.pid)[:4])
    assert parent != os.getpid()
    assert session not in (os.getsid(0), done.pid), "a session of its own, and not its leader"
    assert terminal == 0
    assert f"Listening at: unix:{launch.directory}/sock ({done.pid})" in done.log()
    done.stop()
    assert "Shutting down: Master" in done.log()


def test_setting_in_a_config_file(launch: Launch) -> None:
    config = launch.directory / "config.py"
    config.write_text(f"daemon = True\nerrorlog = '{launch.directory}/log'\n")
    command = launch.command(f"--config={config}", "probe:app")
    assert subprocess.run(command, cwd=APPS, env=environment(), timeout=DEADLINE).returncode == 0
    Launched(0, "", "", launch.directory).stop()


@pytest.mark.parametrize("inherit", [(), ("-R",), ("--enable-stdio-inheritance",)])
def test_redirected_output(launch: Launch, tmp_path: Path, inherit: tuple[str, ...]) -> None:
    """Only with -R it is the daemon's too; its input never is."""
    out, given = tmp_path / "out", tmp_path / "in"
    given.write_text("")
    with open(out, "wb") as output, open(given) as stdin:
        done = launch(
            *(*inherit, "--access-logfile=-", "probe:app"),
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            capture_output=False,
        )
    expected = str(out) if inherit else os.devnull
    for pid in (done.pid, *children(done.pid)):
        assert streams_of(pid) == [os.devnull, expected, expected]
    assert done.address.request("GET", "/").text == "hello"
    done.stop()
    assert ("GET / HTTP/1.1" in out.read_text()) is bool(inherit)


def test_a_terminal_is_let_go_all_the_same(launch: Launch) -> None:
    ours, theirs = os.openpty()
    try:
        done = launch(
            *("-R", "probe:app"), stdin=theirs, stdout=theirs, stderr=theirs, capture_output=False
        )
        for pid in (done.pid, *children(done.pid)):
            assert streams_of(pid) == [os.devnull] * 3
        done.stop()
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--workers=many", "probe:app"], 1, "error: workers: expected"),
        (["--chdir=/nowhere", "probe:app"], 1, "error: chdir: cannot change to '/nowhere'"),
        (["--bind=unix:/nowhere/sock", "probe:app"], 1, "error: cannot listen on unix:/nowhere"),
        (["--pid=/nowhere/pid", "probe:app"], 1, "error: pidfile: cannot write '/nowhere/pid'"),
        (["--preload", "nowhere:app"], 4, "no module 'nowhere'"),
        (["nowhere:app"], 4, "no module 'nowhere'"),
        (["--boot-timeout=1", "endless:app"], 3, "did not boot within boot_timeout"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_failures_are_on_the_terminal(
    launch: Launch, arguments: list[str], status: int, message: str
) -> None:
    """With the status that they have in the foreground, and after the last process has ended."""
    (launch.directory / "endless.py").write_text("while True:\n    pass\n")
    done = launch(f"--pythonpath={launch.directory}", *arguments, log=False)
    assert done.status == status
    assert message in done.stderr
    assert not (launch.directory / "pid").exists()
    assert not (launch.directory / "sock").exists()


def test_failures_that_are_in_the_log_are_pointed_out(launch: Launch) -> None:
    done = launch("nowhere:app")
    assert done.status == 4
    assert done.stderr == "error: the server could not start; its error log says why\n"
    assert "no module 'nowhere'" in done.log()


def test_a_daemon_that_dies_before_it_serves(launch: Launch) -> None:
    config = launch.directory / "config.py"
    config.write_text("import os\ndef when_ready(server):\n    os._exit(0)\n")
    done = launch(f"--config={config}", "probe:app")
    assert done.status == 1
    assert done.stderr == "error: the server ended before it could serve\n"


def test_a_second_one_with_the_same_pidfile(launch: Launch) -> None:
    first = launch("probe:app")
    pid = first.pid
    second = launch(f"--bind=unix:{launch.directory}/other", "probe:app")
    assert second.status == 1
    assert f"names process {pid}, which is running" in second.stderr
    assert first.pid == pid
    first.stop()


def test_lost_messages_are_pointed_out(launch: Launch) -> None:
    done = launch("probe:app", log=False)
    assert done.status == 0
    assert "[WARNING] daemon: errorlog is standard error" in done.stderr
    assert "Booting worker" not in done.stderr, "workers have left the terminal alone"
    done.stop()


def test_umask_of_the_daemons_files(launch: Launch) -> None:
    """A process that starts daemons at boot may have none: then any user could write to the log."""
    (launch.directory / "writing.py").write_text(
        "import os\n"
        "before = os.umask(0)\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'%04o' % before]\n"
    )
    for umask, expected in ((0, "0022"), (0o077, "0077")):
        done = launch(f"--chdir={launch.directory}", "writing:app", umask=umask)
        assert done.address.request("GET", "/").text == expected
        done.stop()


def test_ctrl_c_of_a_start_that_takes_long(launch: Launch) -> None:
    (launch.directory / "endless.py").write_text("while True:\n    pass\n")
    command = launch.command("--daemon", f"--chdir={launch.directory}", "endless:app")
    with subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE) as launcher:
        pidfile = launch.directory / "pid"
        wait_for(lambda: pidfile.exists() and children(int(pidfile.read_text())), "a worker")
        daemon = int(pidfile.read_text())
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(DEADLINE) == 1
    wait_for(lambda: not alive(daemon), "the daemon to end")
    assert not pidfile.exists()


def test_winch_reaches_a_daemon(launch: Launch) -> None:
    done = launch("probe:app")
    os.kill(done.pid, signal.SIGWINCH)
    wait_for(lambda: not children(done.pid), "the workers to end")
    done.stop()
