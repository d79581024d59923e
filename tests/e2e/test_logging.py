"""Logging configurations, captured output and the json logger, in the real server."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from signal import SIGHUP, SIGUSR1

import pytest

from corn_testkit.client import Address
from corn_testkit.fixtures import Serve
from corn_testkit.server import run
from corn_testkit.waiting import alive, open_descriptors, wait_for
from tests.e2e.own import APPS

CONFIGURED = """
[loggers]
keys = root, error, access, shop

[handlers]
keys = error, access

[formatters]
keys = plain

[logger_root]
handlers =

[logger_error]
handlers = error
qualname = {names}.error

[logger_access]
handlers = access
qualname = {names}.access

[logger_shop]
handlers = error
level = INFO
qualname = shop

[handler_error]
class = StreamHandler
args = (sys.stderr,)
formatter = plain

[handler_access]
class = FileHandler
args = ("%(here)s/access.log",)

[formatter_plain]
format = {mark} %(levelname)s %(message)s
"""


class Configured:
    """A directory with a logging configuration, which tests rewrite."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "logging.ini"
        self.access = directory / "access.log"
        self.write("FIRST")

    def write(self, mark: str, names: str = "corn", old: str = "", new: str = "") -> None:
        text = CONFIGURED.replace("{mark}", mark).replace("{names}", names)
        assert old in text
        self.path.write_text(text.replace(old, new) if old else text)


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    return Configured(tmp_path)


# -- logging configurations ----------------------------------------------------------


@pytest.mark.parametrize("names", ["corn", "gunicorn"])
def test_configured_logs(serve: Serve, configured: Configured, names: str) -> None:
    configured.write("INI", names)
    server = serve(f"--log-config={configured.path}", "talkative:app", cwd=APPS)
    server.get("/a")
    server.stop()
    assert re.search(r"^INI INFO Listening at: ", server.log, re.M)
    assert re.search(r"^INI INFO Booting worker with pid: ", server.log, re.M)
    assert re.search(r"^INI WARNING by the old name for /a$", server.log, re.M)
    assert re.search(r"^INI INFO sold for /a$", server.log, re.M)
    assert "] [INFO]" not in server.log
    (line,) = configured.access.read_text().splitlines()
    assert '"GET /a HTTP/1.1" 200' in line


def test_dictionary_in_a_config_file(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "c.py"
    path.write_text(
        "logconfig_dict = {\n"
        "    'formatters': {'mine': {'format': 'DICT %(message)s'}},\n"
        "    'handlers': {'out': {'class': 'logging.StreamHandler', 'formatter': 'mine',\n"
        "                         'stream': 'ext://sys.stdout'}},\n"
        "    'loggers': {'gunicorn.access': {'handlers': ['out'], 'level': 'INFO'},\n"
        "                'shop': {'handlers': ['out'], 'level': 'INFO'}},\n"
        "}\n"
        "access_log_format = '%(m)s %(U)s'\n"
    )
    server = serve(f"--config={path}", "talkative:app", cwd=APPS)
    server.get("/a")
    server.stop()
    assert "DICT GET /a\n" in server.output
    assert "DICT sold for /a\n" in server.output
    assert "[INFO] Listening at: " in server.log


def test_configuration_is_read_again(serve: Serve, configured: Configured) -> None:
    server = serve(f"--log-config={configured.path}", "talkative:app", cwd=APPS)
    (old,) = server.wait_for_workers(1)
    configured.write("SECOND")
    server.signal(SIGHUP)
    wait_for(lambda: not alive(old), "the old worker to end")
    server.get("/new")
    server.wait_for_log("^SECOND INFO Booting worker")
    server.wait_for_log("^SECOND WARNING by the old name for /new$")
    server.stop()
    assert "FIRST INFO Shutting down" not in server.log


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("[handlers]", "[others]", "there is no section [handlers]"),
        ("class = StreamHandler", "class = none.Such", "No module named 'none'"),
        ("class = FileHandler", "class = FileHandler\nlevel = LOUD", "Unknown level: 'LOUD'"),
    ],
)
def test_bad_configuration(
    serve: Serve, configured: Configured, old: str, new: str, problem: str
) -> None:
    server = serve(f"--log-config={configured.path}", "talkative:app", cwd=APPS)
    server.get()
    workers = server.workers()
    configured.write("SECOND", old=old, new=new)
    server.signal(SIGHUP)
    # What serves goes on as it was, its log too.
    line = server.wait_for_log(r"^FIRST ERROR logconfig: .*")[0]
    server.wait_for_log("^FIRST ERROR Reload failed; the server continues as it was")
    assert f"{str(configured.path)!r}: " in line
    assert problem in line
    server.get("/still")
    assert server.wait_for_workers(1) == workers
    server.wait_for_log("^FIRST WARNING by the old name for /still$")
    assert configured.access.read_text().count("GET /still") == 1
    server.stop()
    assert "SECOND" not in server.log
    # And what is started with it does not start.
    outcome = run(
        "--bind=127.0.0.1:0", f"--log-config={configured.path}", "talkative:app", cwd=APPS
    )
    assert outcome.returncode == 1
    assert outcome.stderr.count("\n") == 1
    assert outcome.stderr.startswith("error: logconfig: ")
    assert problem in outcome.stderr


def test_reload_that_fails_later_returns_to_the_old_configuration(
    serve: Serve, configured: Configured, tmp_path: Path
) -> None:
    (tmp_path / "shop_app.py").write_text((APPS / "talkative.py").read_text())
    server = serve(f"--log-config={configured.path}", "shop_app:app", cwd=tmp_path)
    server.tracebacks_expected = True
    server.get()
    workers = server.workers()
    configured.write("SECOND")
    (tmp_path / "shop_app.py").write_text("def app(:")
    server.signal(SIGHUP)
    server.wait_for_log("^FIRST ERROR Reload failed; the server continues as it was")
    configured.path.write_text("broken")
    server.signal(SIGHUP)
    server.wait_for_log("^FIRST ERROR logconfig: .*broken")
    assert server.wait_for_workers(1) == workers
    server.stop()
    assert "FIRST INFO Shutting down: Master" in server.log


def test_reloads_leave_nothing_open(serve: Serve, configured: Configured, tmp_path: Path) -> None:
    log = tmp_path / "error.log"
    server = serve(
        f"--log-config={configured.path}",
        f"--log-file={log}",
        *("--capture-output", "--log-syslog", "--log-syslog-to=unix:///none"),
        "talkative:app",
        cwd=APPS,
        bind=(f"unix:{tmp_path / 's'}",),
        wait=False,
    )

    def reload(mark: str) -> int:
        """Reload, with a bad configuration and with a good one; how much is open then."""
        (old,) = wait_for(server.workers, "a worker")
        configured.write(mark, old="class = StreamHandler", new="class = None")
        server.signal(SIGHUP)
        wait_for(lambda: log.read_text().count("Reload failed") == int(mark), "the bad reload")
        configured.write(mark)
        server.signal(SIGHUP)
        wait_for(lambda: not alive(old), "the old worker to end")
        wait_for(lambda: len(server.workers()) == 1, "the new worker to be alone")
        return open_descriptors(server.pid)

    wait_for(lambda: log.exists() and "Booting worker" in log.read_text(), "the server")
    first = reload("1")
    for number in (2, 3, 4):
        reload(str(number))
    # The pipe of a worker that has ended stays open until the master has reaped it.
    wait_for(
        lambda: open_descriptors(server.pid) <= first,
        "what earlier configurations had open to be closed",
    )
    server.stop()


@pytest.mark.parametrize("preload", [(), ("--preload",)], ids=["worker", "preload"])
def test_application_does_not_silence_the_server(
    serve: Serve, tmp_path: Path, preload: tuple[str, ...]
) -> None:
    """A configuration of logging disables all loggers there are, unless it says otherwise."""
    code = "from logging.config import dictConfig\ndictConfig({'version': 1})\n"
    (tmp_path / "silencing.py").write_text(f"from probe import app\n{code}")
    arguments = (f"--pythonpath={tmp_path}", "--access-logfile=-", *preload, "silencing:app")
    server = serve(*arguments)
    assert server.get() == "hello"
    wait_for(lambda: '"GET / HTTP/1.1" 200' in server.output, "the access line")
    server.stop()
    assert "Worker exiting" in server.log
    assert "Shutting down: Master" in server.log


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--log-config-json=/none/x", "logconfig_json: '/none/x': No such file or directory"),
    ],
)
def test_bad_settings(argument: str, expected: str) -> None:
    outcome = run("--bind=127.0.0.1:0", argument, "probe:app")
    assert (outcome.returncode, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith(f"error: {expected}")
    assert outcome.stderr.endswith(f"(flag {argument.partition('=')[0]})\n")
    assert outcome.stderr.count("\n") == 1


# -- captured output -----------------------------------------------------------------


def test_captured_output(serve: Serve, tmp_path: Path) -> None:
    log, rotated = tmp_path / "error.log", tmp_path / "error.log.1"
    server = serve(
        f"--log-file={log}",
        "--capture-output",
        "talkative:app",
        cwd=APPS,
        bind=(f"unix:{tmp_path / 's'}",),
        wait=False,
    )
    said = ("printed for", "complained for", "echoed for", "by the old name for")

    def everything(path: Path, request: str) -> bool:
        return path.exists() and all(f"{what} {request}" in path.read_text() for what in said)

    wait_for(lambda: log.exists() and "Listening at" in log.read_text(), "the server to listen")
    address = Address(f"unix:{tmp_path / 's'}")
    worker = int(address.request("GET", "/one").text)
    wait_for(lambda: everything(log, "/one"), "all of it in the log")
    assert "talkative is loaded" in log.read_text()
    log.rename(rotated)
    # The master passes it on to the worker, which answers nothing meanwhile.
    server.signal(SIGUSR1)
    wait_for(log.exists, "the new log")
    wait_for(lambda: opened(worker, 1) == str(log), "the worker to have the new log")
    assert opened(server.pid, 2) == str(log)
    address.request("GET", "/two")
    wait_for(lambda: everything(log, "/two"), "all of it in the new log")
    assert "/two" not in rotated.read_text()
    server.stop()
    assert server.log == server.output == ""


def opened(pid: int, fd: int) -> str:
    return os.readlink(f"/proc/{pid}/fd/{fd}")


def test_answers_of_the_command_are_not_captured(tmp_path: Path) -> None:
    capture = (f"--log-file={tmp_path / 'error.log'}", "--capture-output")
    outcome = run("--print-config", *capture, "talkative:app", cwd=APPS)
    assert outcome.returncode == 0
    assert "capture_output = True  # flag --capture-output" in outcome.stdout
    assert "talkative is loaded" not in outcome.stdout
    assert "talkative is loaded\n" in (tmp_path / "error.log").read_text()
    outcome = run(f"--bind=unix:{tmp_path}/none/s", *capture, "talkative:app", cwd=APPS)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: ")


# -- the json logger -----------------------------------------------------------------


def test_json_logger(serve: Serve) -> None:
    server = serve("--logger-class=json", "--access-logfile=-", "probe:app", wait=False)
    server.wait_for_log('"message": "Booting worker')
    address = re.search(r"Listening at: (\S+) ", server.log)
    assert address
    Address(address[1]).request("GET", "/fail?x=1", headers={"User-Agent": 'a "b"'})
    server.tracebacks_expected = True
    wait_for(lambda: server.output.endswith("\n"), "the access line")
    server.stop()
    access = json.loads(server.output)
    assert (access["path"], access["query"], access["status"]) == ("/fail", "x=1", 500)
    assert access["user_agent"] == 'a "b"'
    errors = [json.loads(line) for line in server.log.splitlines()]
    assert errors[0]["message"].startswith("Starting corn ")
    (failure,) = (line for line in errors if "exception" in line)
    assert failure["message"] == "Error handling request /fail?x=1"
    assert "RuntimeError: the application has failed" in failure["exception"]
