"""Hook functions of a config file: when they are called, in which process, with what."""

from __future__ import annotations

import re
from pathlib import Path
from signal import SIGHUP, SIGTTIN, SIGTTOU

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.recording import Recording
from corn_testkit.server import Server
from corn_testkit.waiting import alive, wait_for


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path)


def start(serve: Serve, recording: Recording, *arguments: str) -> Server:
    return serve(recording.argument, *arguments, "probe:app", env=recording.env)


def test_arguments(serve: Serve, recording: Recording) -> None:
    server = start(serve, recording)
    server.request("GET", "/facts?a=1", headers={"X-One": "two"})
    recording.wait("post_request")
    worker = server.workers()[0]
    server.stop()
    assert recording.of("on_starting")[0].facts == {"server": server.pid}
    assert recording.of("nworkers_changed")[0].facts == {"new": 1, "old": None}
    assert recording.of("when_ready")[0].facts == {"number": 1}
    assert recording.of("pre_fork")[0].facts == {"age": 1}
    post_fork = {"age": 1, "worker": worker, "server": server.pid}
    assert recording.of("post_fork")[0].facts == post_fork
    assert recording.of("post_worker_init")[0].facts == {"app": True}
    request = recording.of("pre_request")[0].facts
    assert (request["method"], request["uri"]) == ("GET", "/facts?a=1")
    assert (request["path"], request["query"]) == ("/facts", "a=1")
    assert request["headers"]["X-ONE"] == "two"
    response = {"path": "/facts", "status": "200 OK", "environ": True, "timed": True}
    assert recording.of("post_request")[0].facts == response
    assert recording.of("child_exit")[0].facts == {"worker": worker, "status": 0, "reason": "stop"}


def test_number_of_workers(serve: Serve, recording: Recording) -> None:
    server = start(serve, recording)
    server.wait_for_workers(1)
    server.signal(SIGTTIN)
    recording.wait("nworkers_changed", 2)
    server.wait_for_workers(2)
    server.signal(SIGTTOU)
    recording.wait("nworkers_changed", 3)
    changes = [call.facts for call in recording.of("nworkers_changed")]
    assert changes[1:] == [{"new": 2, "old": 1}, {"new": 1, "old": 2}]
    server.stop()


def test_reload(serve: Serve, recording: Recording) -> None:
    server = start(serve, recording)
    (old,) = server.wait_for_workers(1)
    server.signal(SIGHUP)
    assert recording.wait("on_reload").pid == server.pid
    wait_for(lambda: not alive(old), "the old worker to end")
    names = recording.names
    assert names.index("on_reload") < len(names) - 1 - names[::-1].index("pre_fork")
    assert recording.of("pre_fork")[-1].facts == {"age": 2}
    server.stop()


STATES = """
workers = {workers}

def when_serving(server):
    server.log.info("State: %s workers serve.", server.num_workers)

def on_reload(server):
    server.log.info("State: reload.")

def child_ready(server, worker):
    server.log.info("State: %s is ready.", worker.pid in server.WORKERS)

def reload_failed(server, reason):
    server.log.info("State: reload failed, %s.", reason.split(",")[0])
    raise RuntimeError("this is logged")

def on_stopping(server, reason):
    server.log.info("State: stopping %s.", bool(server.stopping))
"""


def test_states_of_a_server(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "states.py"
    config.write_text(STATES.format(workers=2))
    server = serve(f"--config={config}", "probe:app")
    server.tracebacks_expected = True
    server.wait_for_log(r"State: 2 workers serve\.")
    config.write_text(STATES.format(workers="'none'"))
    server.signal(SIGHUP)
    server.wait_for_log(r"State: 2 workers serve\.", count=2)
    config.write_text(STATES.format(workers=1))
    server.signal(SIGHUP)
    server.wait_for_log(r"State: 1 workers serve\.")
    server.stop()
    assert re.findall(r"State: (.*)\.", server.log) == [
        *("True is ready", "True is ready", "2 workers serve"),
        *("reload failed, workers: expected a whole number of at least 1", "2 workers serve"),
        *("reload", "True is ready", "1 workers serve"),
        "stopping True",
    ]
    assert server.log.count("RuntimeError: this is logged") == 1


def failing(directory: Path, hook: str, parameters: str) -> Path:
    config = directory / "failing.py"
    config.write_text(f"def {hook}({parameters}):\n    raise RuntimeError('{hook} refuses')\n")
    return config


@pytest.mark.parametrize("hook", ["on_starting", "when_ready"])
def test_failure_that_stops_the_master(serve: Serve, tmp_path: Path, hook: str) -> None:
    config = failing(tmp_path, hook, "server")
    server = serve(f"--config={config}", "probe:app", wait=False)
    server.tracebacks_expected = True
    server.wait(1)
    assert f"{hook} refuses" in server.log
    assert "Booting worker" not in server.log
    if hook == "on_starting":
        assert "Listening at" not in server.log


@pytest.mark.parametrize(
    ("hook", "parameters"), [("post_fork", "server, worker"), ("post_worker_init", "worker")]
)
def test_failure_that_stops_a_booting_worker(
    serve: Serve, tmp_path: Path, hook: str, parameters: str
) -> None:
    config = failing(tmp_path, hook, parameters)
    server = serve(f"--config={config}", "probe:app", wait=False)
    server.tracebacks_expected = True
    server.wait(3)
    assert f"{hook} refuses" in server.log


@pytest.mark.parametrize(
    ("hook", "parameters"),
    [
        ("pre_fork", "server, worker"),
        ("post_request", "worker, req"),
        ("post_request", "worker, req, environ"),
        ("post_request", "worker, req, environ, resp"),
        ("worker_exit", "server, worker"),
        ("child_exit", "server, worker"),
        ("nworkers_changed", "server, new, old"),
        ("when_serving", "server"),
        ("child_ready", "server, worker"),
        ("on_stopping", "server, reason"),
        ("on_exit", "server"),
    ],
)
def test_failure_that_is_logged_only(
    serve: Serve, tmp_path: Path, hook: str, parameters: str
) -> None:
    config = failing(tmp_path, hook, parameters)
    server = serve(f"--config={config}", "probe:app")
    server.tracebacks_expected = True
    assert server.get() == "hello"
    server.stop()
    assert f"{hook} refuses" in server.log
    assert "config-file" in server.log


def test_wrong_number_of_arguments_is_an_error_at_once(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "wrong.py"
    config.write_text("def pre_fork(server): pass\n")
    server = serve(f"--config={config}", "probe:app", wait=False)
    server.wait(1)
    assert "pre_fork" in server.log
    assert "Listening" not in server.log


def test_dotted_name_of_a_hook(serve: Serve, recording: Recording, tmp_path: Path) -> None:
    config = tmp_path / "dotted.py"
    config.write_text("when_ready = 'corn_testkit.recorder.when_ready'\n")
    server = serve(f"--config={config}", "probe:app", env=recording.env)
    assert recording.wait("when_ready").pid == server.pid
    server.stop()


def test_misspelt_hook_is_pointed_out(serve: Serve, tmp_path: Path) -> None:
    config = tmp_path / "misspelt.py"
    config.write_text("def pre_frok(server, worker): pass\n")
    server = serve(f"--config={config}", "probe:app")
    server.wait_for_log(r"pre_frok.*pre_fork")
    server.stop()


LIBRARY = "def look(table):\n    return table['missing']\n"


def calls_a_library(tmp_path: Path, body: str) -> str:
    """Write a config file that fails inside a module of its author's."""
    (tmp_path / "a_library.py").write_text(LIBRARY)
    file = tmp_path / "config.py"
    file.write_text(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})\nimport a_library\n{body}")
    return f"--config={file}"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def when_ready(server): a_library.look({})\n", "hook when_ready of plugin config-file"),
        ("workers = a_library.look({})\n", "config.py line 4: KeyError: 'missing'"),
    ],
    ids=["hook", "file"],
)
def test_failure_in_a_library_ends_the_start_with_its_traceback(
    serve: Serve, tmp_path: Path, body: str, message: str
) -> None:
    server = serve(calls_a_library(tmp_path, body), "probe:app", wait=False)
    server.tracebacks_expected = True
    server.wait(status=1)
    traceback = server.log[server.log.index("Traceback") :]
    assert f'File "{tmp_path}/a_library.py", line 2, in look' in traceback
    assert "corn_core" not in traceback
    assert traceback.splitlines()[-1].startswith("error: ")
    assert message in traceback.splitlines()[-1]


def test_reload_that_fails_in_a_library_logs_its_traceback(serve: Serve, tmp_path: Path) -> None:
    server = serve(calls_a_library(tmp_path, ""), "probe:app")
    calls_a_library(tmp_path, "workers = a_library.look({})\n")
    server.tracebacks_expected = True
    server.signal(SIGHUP)
    server.wait_for_log("Reload failed; the server continues as it was")
    traceback = server.log[server.log.index("Traceback") :]
    assert f'File "{tmp_path}/a_library.py", line 2, in look' in traceback
    assert "corn_core" not in traceback
    assert server.get() == "hello"


RECIPES = """
import os
import signal


def when_ready(server):
    server.log.info("class %s, age %s", server.worker_class.__name__, server.worker_age)


def post_worker_init(worker):
    worker.tmp.notify()
    worker.log.info("serves %s for %s", worker.wsgi is worker.app, worker.timeout)


def on_tick(server):
    if server.num_workers == 1:
        server.num_workers = 2
    elif len(server.WORKERS) == 2 and os.path.exists("go"):
        os.unlink("go")
        server.log.info("age %s", server.worker_age)
        server.kill_worker(0, signal.SIGKILL)
        server.kill_workers(signal.SIGTERM)
"""


def test_attributes_that_recipes_for_gunicorn_use(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "corn.conf.py").write_text(RECIPES)
    (tmp_path / "shop.py").write_text(
        "def app(environ, start_response):\n    start_response('200 OK', [])\n    return []\n"
    )
    server = serve("shop:app", "--timeout=20", cwd=tmp_path)
    wait_for(lambda: server.log.count("serves True for 20.0") == 2, "a second worker")
    assert "class SyncWorker, age 0" in server.log
    (tmp_path / "go").touch()
    wait_for(lambda: server.log.count("serves True for 20.0") == 4, "the replacements")
    assert "age 2" in server.log
    assert "has exited without being told to" not in server.log
    server.stop()
