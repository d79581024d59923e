"""The surroundings of the processes: pidfile, directory, environment, titles, temporary files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest

from corn_core import __version__
from corn_testkit.client import parse, read_all
from corn_testkit.descriptors import open_files
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.privileges import script
from corn_testkit.server import APPS, COMMAND, Server
from corn_testkit.waiting import wait_for

IMPORTED = """
import os

with open({record!r}, "a") as file:
    file.write(f"{{os.getpid()}} {{os.getcwd()}} {{os.environ.get('COLOUR')}}\\n")

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"imported"]
"""


class Importing:
    """An application that records each import of itself: process, directory, variable."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "site"
        self.directory.mkdir()
        self._record = directory / "imports"
        source = IMPORTED.format(record=str(self._record))
        (self.directory / "importing.py").write_text(source)

    @property
    def records(self) -> list[list[str]]:
        return [line.split() for line in self._record.read_text().splitlines()]


@pytest.fixture
def importing(tmp_path: Path) -> Importing:
    return Importing(tmp_path)


def process_of(server: Server) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.get("/facts"))["process"]
    return found


def test_pidfile(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "corn.pid"
    server = serve(f"--pid={path}", "probe:app")
    assert path.read_text().strip() == str(server.pid)
    assert path.stat().st_mode & 0o777 == 0o644
    server.stop()
    assert not path.exists()


def test_stale_pidfile_is_replaced(serve: Serve, tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path = tmp_path / "corn.pid"
    path.write_text(f"{ended.pid}\n")
    server = serve(f"--pid={path}", "probe:app")
    assert path.read_text().strip() == str(server.pid)
    server.stop()


def test_pidfile_that_became_somebody_elses_stays(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "corn.pid"
    server = serve(f"--pid={path}", "probe:app")
    path.write_text("1\n")
    server.stop()
    assert path.read_text() == "1\n"


def test_preloaded_application_is_imported_once(serve: Serve, importing: Importing) -> None:
    server = serve("--preload", "--workers=3", "importing:app", cwd=importing.directory)
    server.wait_for_workers(3)
    assert server.get() == "imported"
    assert [record[0] for record in importing.records] == [str(server.pid)]
    server.stop()


def test_application_is_imported_by_each_worker(serve: Serve, importing: Importing) -> None:
    server = serve("--workers=2", "importing:app", cwd=importing.directory)
    workers = server.wait_for_workers(2)
    wait_for(lambda: len(importing.records) == 2, "both imports")
    assert {int(record[0]) for record in importing.records} == set(workers)
    server.stop()


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["workers", "preload"])
def test_chdir_and_env_apply_before_the_import(
    serve: Serve, importing: Importing, preload: tuple[str, ...]
) -> None:
    arguments = [f"--chdir={importing.directory}", "--env=COLOUR=red", *preload, "importing:app"]
    server = serve(*arguments, env={"COLOUR": "green"})
    server.get()
    assert {tuple(record[1:]) for record in importing.records} == {
        (str(importing.directory), "red")
    }
    server.stop()


def test_relative_paths_begin_where_corn_was_started(
    serve: Serve, importing: Importing, tmp_path: Path
) -> None:
    server = serve("--chdir=site", "--pid=here.pid", "importing:app", cwd=tmp_path)
    server.get()
    assert {record[1] for record in importing.records} == {str(importing.directory)}
    server.stop()


def test_pythonpath(serve: Serve, importing: Importing, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    server = serve(f"--pythonpath={other},{importing.directory}", "importing:app", cwd=tmp_path)
    assert server.get() == "imported"
    server.stop()


def test_env_may_hold_equals_signs_and_repeat(serve: Serve) -> None:
    server = serve("-e", "DSN=db?a=b", "--env", "EMPTY=", "probe:app")
    environ = process_of(server)["environ"]
    assert (environ["DSN"], environ["EMPTY"]) == ("db?a=b", "")
    server.stop()


def title(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()


@pytest.mark.parametrize(
    ("arguments", "name"), [((), "probe:app"), (("--name=shop",), "shop")], ids=["app", "name"]
)
def test_process_titles(serve: Serve, arguments: tuple[str, ...], name: str) -> None:
    pytest.importorskip("setproctitle")
    server = serve(*arguments, "probe:app")
    worker = int(server.get("/pid"))
    assert title(server.pid) == f"corn: master [{name}]"
    assert title(worker) == f"corn: worker [{name}]"
    server.stop()


def test_titles_outlive_a_change_of_the_first_variable(serve: Serve) -> None:
    """Right before it, setproctitle looks for the place that a title has."""
    pytest.importorskip("setproctitle")
    clean = ("-i", "FIRST=1", f"PATH={os.environ['PATH']}", COMMAND)
    server = serve(*clean, "--env=FIRST=2", "probe:app", command="env")
    worker = int(server.get("/pid"))
    assert title(server.pid) == "corn: master [probe:app]"
    assert title(worker) == "corn: worker [probe:app]"
    server.stop()


def test_workers_draw_different_random_numbers(serve: Serve, tmp_path: Path) -> None:
    """The master has drawn before it forks: each worker has to be seeded anew."""
    config = tmp_path / "config.py"
    config.write_text(
        "import random\n"
        "random.random()\n"
        "def post_worker_init(worker):\n"
        "    worker.log.info('has drawn %s.', random.random())\n"
    )
    server = serve("--workers=2", f"--config={config}", "probe:app")
    server.wait_for_log(r"has drawn \S+\.$", count=2)
    drawn = re.findall(r"has drawn (\S+)\.$", server.log, re.M)
    assert len(set(drawn)) == 2
    server.stop()


def files_of(pid: int) -> list[str]:
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return [*open_files(pid).values(), *(line.partition("/")[2] for line in maps)]


def test_large_body_goes_to_tmp_upload_dir(serve: Serve, gate: Gate, tmp_path: Path) -> None:
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    config = tmp_path / "config.py"
    config.write_text(f"tmp_upload_dir = {str(uploads)!r}\n")
    server = serve(f"--config={config}", "probe:app")
    (worker,) = server.wait_for_workers(1)
    body = os.urandom(3 * 1024 * 1024)
    with server.address.connect() as client:
        head = gate.request.replace(b"GET", b"POST").replace(
            b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        client.sendall(head + body)
        gate.entered()
        assert any(str(uploads) in name for name in files_of(worker))
        gate.open()
        assert parse(read_all(client)).status == 200
    wait_for(lambda: not any(str(uploads) in name for name in files_of(worker)), "its closing")
    assert server.request("POST", "/echo", body).body == body
    assert list(uploads.iterdir()) == []
    server.stop()


def test_scoreboard_in_worker_tmp_dir(serve: Serve, tmp_path: Path) -> None:
    server = serve(f"--worker-tmp-dir={tmp_path}", "probe:app")
    server.get()
    assert any(str(tmp_path)[1:] in name for name in files_of(server.pid))
    assert list(tmp_path.iterdir()) == [], "the file is unlinked at once"
    server.stop()


def test_missing_worker_tmp_dir_is_an_error(serve: Serve) -> None:
    server = serve("--worker-tmp-dir=/nowhere/at/all", "probe:app", wait=False)
    server.wait(1)
    assert "/nowhere/at/all" in server.log


def test_start_directory_is_importable(serve: Serve) -> None:
    server = serve("probe:app")
    assert process_of(server)["cwd"] == str(APPS)
    server.stop()


def test_atexit_handlers_of_the_application_run(serve: Serve, tmp_path: Path) -> None:
    record = tmp_path / "ended"
    (tmp_path / "leaving.py").write_text(
        "import atexit, os\n"
        f"atexit.register(lambda: open({str(record)!r}, 'a').write(f'{{os.getpid()}}\\n'))\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'hello']\n"
    )
    server = serve("leaving:app", cwd=tmp_path)
    server.get()
    (worker,) = server.workers()
    server.stop()
    assert record.read_text() == f"{worker}\n"


@pytest.mark.parametrize("pid", [1, os.getpid()], ids=["init", "this"])
def test_pidfile_that_was_left_behind_names_another_process(
    serve: Serve, tmp_path: Path, pid: int
) -> None:
    """As on a volume that a container left, whose next one has the same few process ids."""
    path = tmp_path / "corn.pid"
    path.write_text(f"{pid}\n")
    server = serve(f"--pid={path}", "-w2", "probe:app")
    assert path.read_text() == f"{server.pid}\n"
    # By now the workers have closed their copies; the master's lock is what counts.
    server.wait_for_workers(2)
    loser = serve(f"--pid={path}", "probe:app", wait=False)
    loser.wait(1)
    assert f"names process {server.pid}, which is running" in loser.log
    server.stop()
    assert not path.exists()


def test_two_servers_at_once_with_one_pidfile(serve: Serve, tmp_path: Path) -> None:
    """One serves, and the file is its; the other ends before it touches a socket."""
    path = tmp_path / "corn.pid"
    servers = [serve(f"--pid={path}", "probe:app", wait=False) for _ in range(2)]
    wait_for(lambda: any(server.process.poll() is not None for server in servers), "one to end")
    (loser,) = [server for server in servers if server.process.poll() is not None]
    (winner,) = [server for server in servers if server is not loser]
    loser.wait(1)
    assert f"names process {winner.pid}, which is running" in loser.log
    assert "Listening at" not in loser.log
    assert winner.started().get() == "hello"
    assert path.read_text() == f"{winner.pid}\n"
    winner.stop()
    assert not path.exists()


def test_spew_prints_the_lines_of_workers(serve: Serve, tmp_path: Path) -> None:
    source = "def app(environ, start_response):\n    start_response('200 OK', [])\n"
    (tmp_path / "traced.py").write_text(source + "    return [b'traced']\n")
    server = serve("--spew", "traced:app", cwd=tmp_path)
    assert server.get() == "traced"
    server.stop()
    lines = server.output.splitlines()
    importing = lines.index("traced:1: def app(environ, start_response):")
    calling = lines.index("traced:2:     start_response('200 OK', [])")
    assert importing < calling < lines.index("traced:3:     return [b'traced']")
    assert any(line.startswith("corn_core.worker.base:") for line in lines)
    assert not any(line.startswith("corn_core.arbiter.") for line in lines), "only in workers"


def test_spew_of_threads_and_after_a_reload(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "traced.py").write_text(
        "import threading\n"
        "def work():\n"
        "    return 'in the thread'\n"
        "def app(environ, start_response):\n"
        "    thread = threading.Thread(target=work)\n"
        "    thread.start()\n"
        "    thread.join()\n"
        "    start_response('200 OK', [])\n"
        "    return [b'traced']\n"
    )
    config = tmp_path / "config.py"
    config.write_text("spew = False\n")
    server = serve(f"--config={config}", "traced:app", cwd=tmp_path)
    (before,) = server.wait_for_workers(1)
    server.get()
    assert server.output == ""
    config.write_text("spew = True\n")
    server.signal(SIGHUP)
    wait_for(lambda: server.workers() not in ([before], []), "the new worker")
    wait_for(lambda: before not in server.workers(), "the old worker to end")
    server.get()
    wait_for(lambda: "traced:3:     return 'in the thread'\n" in server.output, "the line")
    server.stop()


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
def test_spew_that_cannot_be_written(serve: Serve, tmp_path: Path, redirection: str) -> None:
    """It is for looking on: requests must not fail for want of a spectator."""
    shell = f'exec {COMMAND} "$@" {redirection}'
    command = script(tmp_path / "corn", "/bin/sh", "-c", shell, "sh")
    server = serve("--spew", "probe:app", command=command)
    assert [server.get() for _ in range(3)] == ["hello"] * 3
    server.stop()


def test_programs_of_the_application_know_the_server(serve: Serve) -> None:
    server = serve("probe:app")
    assert process_of(server)["environ"]["SERVER_SOFTWARE"] == f"corn/{__version__}"
    server.stop()
