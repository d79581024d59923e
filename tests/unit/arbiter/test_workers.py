"""Show what only real processes can of the master, beyond the life that tests/e2e follows."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from signal import SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGSTOP, SIGTERM, SIGTTIN, SIGUSR1, SIGUSR2
from time import monotonic

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import COMMAND, Server
from corn_testkit.waiting import children, wait_for

APP = """
import os

def app(environ, start_response):
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""

Configure = Callable[[str], None]


@pytest.fixture
def configure(tmp_path: Path) -> Configure:
    """Writes the config file of a server that runs in tmp_path."""
    (tmp_path / "site_app.py").write_text(APP)
    return lambda text: (Path(tmp_path / "corn.conf.py").write_text(text), None)[1]


def started(serve: Serve, directory: Path, *arguments: str) -> Server:
    return serve("site_app:app", *arguments, bind=(), cwd=directory)


def listening(path: Path) -> bool:
    """Tell whether any process listens on a unix socket, whether or not its path is still there."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    # proc_net(5): flags are the fourth field; 00010000 is __SO_ACCEPTCON.
    return any(line.split()[3] == "00010000" for line in lines if line.endswith(f" {path}"))


def test_an_address_that_is_given_up_is_closed_by_all(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    """Also by the new workers, which are forked while it is still open."""
    a, b = tmp_path / "a", tmp_path / "b"
    configure(f"bind = 'unix:{a}'")
    server = started(serve, tmp_path, "--workers=2")
    server.wait_for_workers(2)
    assert listening(a)
    configure(f"bind = 'unix:{b}'")
    server.signal(SIGHUP)
    wait_for(lambda: listening(b), "the new address")
    wait_for(lambda: not listening(a), "the end of the old address")
    assert not a.exists() and b.exists()
    server.stop()
    assert not listening(b) and not b.exists()


def test_a_failed_reload_takes_everything_back(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    a, b, old_pidfile = tmp_path / "a", tmp_path / "b", tmp_path / "old.pid"
    configure(f"bind = 'unix:{a}'\npidfile = '{old_pidfile}'\nworkers = 1")
    server = started(serve, tmp_path)
    server.tracebacks_expected = True
    server.signal(SIGTTIN)
    old = server.wait_for_workers(2)
    configure(f"bind = 'unix:{b}'\npidfile = '{tmp_path}/new.pid'\nworkers = 5")
    (tmp_path / "site_app.py").write_text("import nothing_of_that_name")
    server.signal(SIGHUP)
    server.wait_for_log("Reload failed")
    wait_for(lambda: server.workers() == old, "the old workers alone")
    wait_for(lambda: not listening(b), "the end of the new address")
    assert listening(a) and not b.exists()
    assert old_pidfile.read_text() == f"{server.pid}\n"
    assert not (tmp_path / "new.pid").exists()
    assert server.log.count("ModuleNotFoundError: ") == 2, "the message, and the traceback once"
    # What dies now is replaced as if there had been no reload.
    (tmp_path / "site_app.py").write_text(APP)
    os.kill(old[0], SIGKILL)
    wait_for(lambda: old[0] not in server.workers() and len(server.workers()) == 2, "another one")
    server.stop()


def test_a_master_that_was_suspended_blames_nobody(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    configure("")
    server = serve("site_app:app", "--timeout=2", cwd=tmp_path)
    (worker,) = server.wait_for_workers(1)
    server.get()
    for pid in (server.pid, worker):
        os.kill(pid, SIGSTOP)
    end = monotonic() + 3.5  # longer than the timeout and the delay that counts as suspension
    wait_for(lambda: monotonic() > end, "the timeout to pass")
    server.signal(SIGCONT)
    server.wait_for_log("The master was held up")
    os.kill(worker, SIGCONT)
    assert server.get() == str(worker)
    server.stop()
    assert "WORKER TIMEOUT" not in server.log


def test_a_worker_class_that_cannot_be_made(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    (tmp_path / "classes.py").write_text(
        "from corn_core.worker import Worker\n"
        "class Broken(Worker):\n"
        "    def __init__(self, context):\n"
        "        raise RuntimeError('out of order')\n"
        "    def run(self): ...\n"
    )
    configure("")
    server = serve(
        "site_app:app", "--worker-class=classes.Broken", "--pythonpath=.", cwd=tmp_path, wait=False
    )
    server.wait(3)
    assert "out of order" in server.log


def test_a_hook_function_that_ends_the_master(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    pidfile = tmp_path / "pid"
    configure(f"pidfile = '{pidfile}'\ndef child_exit(server, worker):\n    raise SystemExit(9)\n")
    server = serve("site_app:app", "--workers=2", cwd=tmp_path)
    first, _ = server.wait_for_workers(2)
    os.kill(first, SIGKILL)
    server.wait(9)
    assert not pidfile.exists()


def test_ctrl_c_reaches_everybody_and_is_no_surprise(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    configure("")
    server = serve("site_app:app", "--workers=3", cwd=tmp_path)
    server.wait_for_workers(3)
    server.get()
    os.killpg(server.pid, SIGINT)
    server.wait(0)
    assert "ERROR" not in server.log and "WARNING" not in server.log
    assert "without being told" not in server.log


def test_signals_that_mean_nothing_are_survived(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    configure("")
    server = serve("site_app:app", "--workers=2", cwd=tmp_path)
    workers = server.wait_for_workers(2)
    for worker in workers:
        os.kill(worker, SIGUSR2)
    assert int(server.get()) in workers
    assert server.workers() == workers
    server.stop()


def test_log_files_are_reopened_by_master_and_workers(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    log, moved = tmp_path / "log", tmp_path / "log.1"
    configure(f"accesslog = '{log}'\naccess_log_format = '%(m)s %(p)s'")
    server = serve("site_app:app", cwd=tmp_path)
    pid = server.get()
    wait_for(lambda: log.read_text(), "the first line")
    log.rename(moved)
    server.signal(SIGUSR1)
    wait_for(log.exists, "the new file")
    wait_for(lambda: server.get() and log.read_text(), "a line in it")
    assert set(log.read_text().splitlines()) == {f"GET <{pid}>"}
    server.stop()


def test_a_hang_up_of_the_whole_group_kills_nobody(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    """Some of the workers have just been forked, and have no handlers of their own yet."""
    configure("")
    server = serve("site_app:app", "--workers=4", cwd=tmp_path)
    for reloads in range(1, 9):
        os.killpg(server.pid, SIGHUP)
        server.wait_for_log("Hang up: Master", count=reloads)
    server.get()
    wait_for(lambda: len(server.workers()) == 4, "the last generation alone")
    server.stop()
    assert "was sent" not in server.log and "ERROR" not in server.log


def test_output_that_is_buffered_at_a_fork_is_written_once(
    serve: Serve, tmp_path: Path, configure: Configure
) -> None:
    configure("print('configured')")
    server = serve("site_app:app", "--workers=3", cwd=tmp_path)
    server.wait_for_workers(3)
    server.get()
    server.stop()
    assert server.output == "configured\n"


ORPHANS = """
import os, subprocess, sys
for _ in range(3):
    # Their parent exits at once, and PID 1 inherits them.
    subprocess.run(["sh", "-c", "(sleep 0.5; exit 5) &"])
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="a pid namespace takes root")
def test_as_pid_1_it_reaps_what_others_leave_behind(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, configure: Configure
) -> None:
    configure("")
    server = Server(
        tmp_path_factory.mktemp("server"),
        [
            *("--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", ORPHANS),
            *(COMMAND, "--bind=127.0.0.1:0", "site_app:app"),
        ],
        cwd=tmp_path,
        command="unshare",
    )
    try:
        server.started()
        server.get()
        (init,) = server.workers()

        def zombies() -> int:
            stats = [path.read_text() for path in Path("/proc").glob("[0-9]*/stat")]
            fields = [stat.rpartition(")")[2].split() for stat in stats]
            return sum(each[0] == "Z" and each[1] == str(init) for each in fields)

        wait_for(lambda: len(children(init)) == 1, "the orphans to end")
        wait_for(lambda: zombies() == 0, "the orphans to be reaped")
        assert "Worker (pid" not in server.log, "they are not workers"
        os.kill(init, SIGTERM)
        server.wait(0)
    finally:
        server.kill()
