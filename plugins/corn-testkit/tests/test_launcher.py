"""Compare a server that was forked with one that was started as a user starts it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from corn_core import __version__
from corn_testkit.candidate import Candidate
from corn_testkit.client import Reply
from corn_testkit.fixtures import Serve
from corn_testkit.forkserver import IMPORTS
from corn_testkit.launcher import SWITCH, fork_servers, launcher
from corn_testkit.server import COMMAND, Server, environment, run

APP = """
import json, os, signal, socket, sys, threading

def facts():
    facts = {
        "argv": sys.argv,
        "cwd": os.getcwd(),
        "directory of the command": sys.path[0],
        "environment": dict(os.environ),
        "SIGCHLD": str(signal.getsignal(signal.SIGCHLD)),
        "name": __name__,
        "open": [fd for fd in range(3) if os.fstat(fd)],
        "session": os.getsid(0),
        "sockets": socket.socket.__module__,
        "threads": [thread.name for thread in threading.enumerate()],
        "umask": os.umask(os.umask(0)),
    }
    return json.dumps(facts).encode()

def app(environ, start_response):
    body = facts()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]

async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": facts()})
"""


@pytest.fixture
def apps(tmp_path: Path) -> Path:
    (tmp_path / "facts.py").write_text(APP)
    return tmp_path


def facts(server: Server) -> dict[str, object]:
    """Return what the application sees, but for what is different by its nature."""
    reply: Reply = server.request()
    found: dict[str, object] = json.loads(reply.text)
    assert found.pop("session") == server.pid
    return found


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


@pytest.mark.parametrize(
    ("worker", "app"), [("sync", "app"), ("gevent", "app"), ("eventlet", "app"), ("asgi", "asgi")]
)
def test_forked_server_is_like_one_that_was_started(
    serve: Serve, apps: Path, worker: str, app: str
) -> None:
    """With the modules of its worker imported beforehand, too."""
    modules = Candidate.find(worker, ()).modules
    assert f"corn_{worker}.worker" in modules
    imports = {IMPORTS: " ".join(modules)}
    arguments = ("-k", worker, f"facts:{app}", "--env=TOLD=1")
    found = []
    # The first server of its kind is started.
    launcher(environment({**imports, SWITCH: "yes"}))
    for switch in ("yes", "no"):
        extra = {SWITCH: switch, "GIVEN": "2", **imports}
        server = serve(*arguments, cwd=apps, env=extra)
        seen = facts(server)
        given = {**environment(), SWITCH: switch, "GIVEN": "2"}
        corns_own = {"TOLD": "1", "SERVER_SOFTWARE": f"corn/{__version__}"}
        assert seen.pop("environment") == {**given, **corns_own}
        found.append(seen)
        assert (parent(server.pid) in fork_servers()) == (switch == "yes")
        server.stop()
    assert found[0] == found[1]
    assert found[0]["argv"] == [COMMAND, *arguments, "--bind=127.0.0.1:0"]


PATCHING = """
from gevent import monkey
monkey.patch_all()
from corn_sync.worker import SyncWorker

class Worker(SyncWorker):
    pass
"""


def test_worker_that_changes_what_a_fork_server_needs_is_not_imported_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "patching.py").write_text(PATCHING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert Candidate.find("patching.Worker", ()).modules == ()


def test_worker_that_warns_when_it_is_imported_warns_in_each_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = PATCHING.replace("monkey.patch_all()", "import warnings; warnings.warn('old')")
    (tmp_path / "warning.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert Candidate.find("warning.Worker", ()).modules == ()


def test_interpreter_with_other_options_is_started(serve: Serve, apps: Path) -> None:
    server = serve("facts:app", cwd=apps, env={"PYTHONOPTIMIZE": "1"})
    assert parent(server.pid) == os.getpid()
    server.stop()


@pytest.mark.parametrize("switch", ["yes", "no"])
def test_status_and_output_of_a_command_are_its_own(switch: str, tmp_path: Path) -> None:
    done = run("--no-such-flag", cwd=tmp_path, env={SWITCH: switch})
    assert done.returncode == 1
    assert done.stdout == ""
    assert "--no-such-flag" in done.stderr


def test_status_tells_the_signal_that_ended_it(serve: Serve) -> None:
    server = serve("probe:app")
    server.kill()
    assert server.process.returncode == -9
