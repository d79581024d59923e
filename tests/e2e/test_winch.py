"""WINCH to the master: it retires all workers, unless a terminal may have sent it."""

from __future__ import annotations

import fcntl
import os
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path
from signal import SIGHUP, SIGTERM, SIGTTIN, SIGTTOU, SIGWINCH

import pytest

from corn_testkit.client import parse, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import APPS, COMMAND, Server, environment
from corn_testkit.waiting import DEADLINE, children, wait_for

SIZES = """
def nworkers_changed(server, new, old):
    server.log.info("%s workers after %s.", new, old)
"""


@pytest.fixture
def sizes(tmp_path: Path) -> Path:
    config = tmp_path / "sizes.py"
    config.write_text(SIZES)
    return config


def rest(server: Server) -> None:
    server.signal(SIGWINCH)
    server.wait_for_log("All workers retire; HUP brings them back")
    wait_for(lambda: not server.workers(), "the workers to end")


def test_workers_retire_and_hup_brings_them_back(serve: Serve, sizes: Path) -> None:
    server = serve(f"--config={sizes}", "--workers=2", "probe:app")
    server.wait_for_workers(2)
    rest(server)
    server.wait_for_log(r"0 workers after 2\.")
    with server.address.connect() as client:
        # The socket is open: the connection waits for the next worker.
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        server.signal(SIGHUP)
        server.wait_for_log(r"2 workers after 0\.")
        assert parse(read_all(client)).text == "hello"
    server.wait_for_workers(2)
    assert "[ERROR]" not in server.log and "[WARNING]" not in server.log
    server.stop()


def test_requests_in_flight_are_finished(serve: Serve, gate: Gate) -> None:
    server = serve("probe:app")
    with server.address.connect() as client:
        client.sendall(gate.request)
        gate.entered()
        server.signal(SIGWINCH)
        server.wait_for_log("All workers retire")
        gate.open()
        assert parse(read_all(client)).text.startswith("waited in ")
    wait_for(lambda: not server.workers(), "the worker to end")
    server.stop()


def test_as_many_come_back_as_there_were(serve: Serve, sizes: Path) -> None:
    """TTIN survives it; TTOU has nothing to take away; a second WINCH changes nothing."""
    server = serve(f"--config={sizes}", "probe:app")
    server.signal(SIGTTIN)
    server.wait_for_workers(2)
    rest(server)
    server.signal(SIGTTOU)
    server.signal(SIGWINCH)
    server.wait_for_log("Handling signal: winch", count=2)
    assert server.workers() == []
    server.signal(SIGTTIN)
    server.wait_for_log(r"1 workers after 0\.")
    server.wait_for_workers(1)
    server.signal(SIGHUP)
    server.wait_for_log(r"2 workers after 1\.")
    server.wait_for_workers(2)
    assert server.get() == "hello"
    server.stop()


def test_workers_come_back_with_a_bad_configuration(serve: Serve, tmp_path: Path) -> None:
    """A rollback must not depend on what the upgrade did to the files."""
    config = tmp_path / "config.py"
    config.write_text("")
    server = serve(f"--config={config}", "probe:app")
    server.wait_for_workers(1)
    rest(server)
    config.write_text("workers = 'many'\n")
    server.signal(SIGHUP)
    server.wait_for_log("Reload failed; the server continues as it was")
    assert server.get() == "hello"
    server.stop()


def test_workers_that_cannot_boot_do_not_end_a_server_at_rest(serve: Serve, tmp_path: Path) -> None:
    app = tmp_path / "changing.py"
    good = (
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'ok']\n"
    )
    app.write_text(good)
    server = serve("changing:app", cwd=tmp_path)
    server.tracebacks_expected = True
    server.wait_for_workers(1)
    server.get()
    rest(server)
    app.write_text("raise ValueError('not today')\n")
    server.signal(SIGHUP)
    server.wait_for_log("not today")
    app.write_text(good)
    server.signal(SIGHUP)
    assert server.get() == "ok"
    server.stop()


@pytest.mark.parametrize("number", [SIGTERM, SIGHUP])
def test_a_server_at_rest_stops(serve: Serve, number: int) -> None:
    server = serve("probe:app")
    server.wait_for_workers(1)
    rest(server)
    if number == SIGHUP:
        server.signal(SIGHUP)
        assert server.get() == "hello"
    server.stop()


class InTerminal:
    """A server that has a terminal: as standard input, or only as its session's terminal."""

    def __init__(self, directory: Path, stdin_too: bool) -> None:
        self._ours, theirs = os.openpty()
        self._log = directory / "log"

        def take_terminal() -> None:
            # In the child, after setsid: makes it the session's, and its group the foreground.
            fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen(
            [COMMAND, "--bind=127.0.0.1:0", f"--log-file={self._log}", "probe:app"],
            cwd=APPS,
            env=environment(),
            stdin=theirs if stdin_too else subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=take_terminal,
        )
        os.close(theirs)
        self.wait_for_log("Booting worker")

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def wait_for_log(self, text: str) -> None:
        wait_for(lambda: text in self.log, f"{text!r} in the log")

    def change_size(self) -> None:
        """Let the terminal send the signal, to all of its foreground."""
        termios.tcsetwinsize(self._ours, (40, 100))

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE)
        os.close(self._ours)


@pytest.fixture(params=[True, False], ids=["input", "session"])
def in_terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[InTerminal]:
    server = InTerminal(tmp_path, request.param)
    yield server
    server.end()


def test_a_terminal_that_changes_its_size_means_nothing(in_terminal: InTerminal) -> None:
    workers = children(in_terminal.process.pid)
    in_terminal.change_size()
    in_terminal.wait_for_log("Handling signal: winch")
    in_terminal.wait_for_log("Ignored, because a terminal sends it whenever its size changes")
    os.kill(in_terminal.process.pid, SIGTTIN)
    wait_for(lambda: len(children(in_terminal.process.pid)) == 2, "a second worker")
    assert set(workers) < set(children(in_terminal.process.pid))
