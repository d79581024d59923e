"""`manage.py corn`: the server with all its options, in the place of that process."""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from signal import SIGINT, SIGTERM, SIGUSR2
from typing import Any

import pytest

from corn_core import __version__
from corn_core.assemble import registry_of
from corn_core.extensions.manager import load_plugins
from corn_testkit.client import Address
from corn_testkit.fixtures import Serve
from corn_testkit.waiting import DEADLINE, children, polls, session_members, wait_for

Project = Any  # the class in conftest.py, which cannot be imported as a module


def test_help_lists_every_option_of_the_server(project: Project) -> None:
    outcome = project.manage("corn", "-h")
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("usage: python manage.py corn [OPTIONS] [ADDRPORT]\n")
    registry = registry_of(load_plugins())
    assert [flag for flag in registry.flags() if flag not in outcome.stdout] == []
    assert max(map(len, outcome.stdout.splitlines())) <= 80
    assert project.manage("help", "corn").stdout == outcome.stdout


def test_commands_of_the_server(project: Project) -> None:
    assert project.manage("corn", "--version").stdout == f"corn {__version__}\n"
    assert re.search(r"^corn-django .* django ", project.manage("corn", "--plugins").stdout, re.M)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--wrokers=2",), "there is no flag --wrokers; did you mean '--workers'?"),
        (("--workers",), "argument -w/--workers: expected one argument"),
        (("--workers=two",), "workers: expected a whole number of at least 1, or auto, got 'two'"),
        (("mysite.wsgi",), "argument 'mysite.wsgi': expected a port or ADDRESS:PORT"),
        (("8000", "8001"), "argument '8001': the address is '8000'"),
        (("127.0.0.1:99999",), "bind: expected"),
    ],
)
def test_bad_arguments_are_one_line(
    project: Project, arguments: tuple[str, ...], message: str
) -> None:
    outcome = project.manage("corn", *arguments)
    assert (outcome.returncode, outcome.stderr.count("\n")) == (1, 1)
    assert outcome.stderr.startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("arguments", "bind"),
    [
        (("8000",), ["127.0.0.1:8000"]),
        (("--workers=2", "8000"), ["127.0.0.1:8000"]),
        (("8000", "--threads", "8000"), ["127.0.0.1:8000"]),
        (("--threads", "8000", "8000"), ["127.0.0.1:8000"]),
        (("8000", "--reload", "--threads", "8000"), ["127.0.0.1:8000"]),
        (("--threads", "8000", "--reload", "8000"), ["127.0.0.1:8000"]),
        (("--", "8000"), ["127.0.0.1:8000"]),
        (("[::1]:8000",), ["[::1]:8000"]),
        (("unix:at.sock",), ["unix:at.sock"]),
        (("-b", ":8001", "8000"), ["127.0.0.1:8000", ":8001"]),
        ((), ["127.0.0.1:9000"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_address(
    project: Project,
    arguments: tuple[str, ...],
    bind: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from corn_core.settings.sources import resolve
    from corn_django.handover import server_arguments

    monkeypatch.chdir(project.directory)
    project.save("corn.conf.py", "bind = '127.0.0.1:9000'\n")
    registry = registry_of(load_plugins())
    resolution = resolve(registry, server_arguments(arguments), {}, str(project.directory))
    assert resolution.config.bind == bind
    assert resolution.config.wsgi_app is None
    assert resolution.config.threads == (8000 if "--threads" in arguments else 1)


def test_address_is_listened_on(serve: Serve, project: Project, tmp_path: Path) -> None:
    path = f"unix:{tmp_path}/at.sock"
    server = serve(
        "manage.py", "corn", path, bind=(), cwd=project.directory, command=sys.executable
    )
    assert server.address == Address(path)
    assert server.get("/hello") == "one"
    server.stop(SIGINT)


def test_options_reach_the_server(serve: Serve, project: Project) -> None:
    """Including options that manage.py itself reads, and one from the config file."""
    project.save("mysite/second.py", "from mysite.settings import *\nimport beside\n")
    project.save("lib/beside.py", "")
    project.save("corn.conf.py", "def post_worker_init(worker):\n    worker.log.info('by hook')\n")
    options = ("--settings=mysite.second", "--pythonpath=lib", "--workers=2")
    server = project.start_manage(serve, *options)
    server.wait_for_workers(2)
    server.wait_for_log("by hook", count=2)
    assert server.get("/facts") == "mysite.second mysite.second"
    server.stop()


def test_what_manage_has_done_stays(serve: Serve, project: Project, tmp_path: Path) -> None:
    """In another directory, with a path and a variable that a manage.py of one's own sets."""
    project.save("apps/beside.py", "")
    project.add("mysite/settings.py", "import beside, os\nassert os.environ['BY_MANAGE'] == '1'\n")
    manage = (project.directory / "manage.py").read_text()
    first = (
        "import os, sys\n"
        f"sys.path.append({str(project.directory / 'apps')!r})\n"
        "os.environ['BY_MANAGE'] = '1'\n"
    )
    project.save("manage.py", first + manage)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    arguments = (str(project.directory / "manage.py"), "corn")
    server = serve(*arguments, cwd=elsewhere, command=sys.executable)
    assert server.get("/hello") == "one"
    server.stop()


def test_master_has_not_imported_the_project(serve: Serve, project: Project) -> None:
    project.save(
        "corn.conf.py",
        "import sys\n"
        "def pre_fork(server, worker):\n"
        "    server.log.info('imported: %s', {'django', 'mysite'} & set(sys.modules))\n",
    )
    server = project.start_manage(serve)
    server.wait_for_log(r"imported: set\(\)$")
    server.stop()


def test_project_that_breaks_in_the_server(serve: Serve, project: Project) -> None:
    project.save("mysite/wsgi.py", "1/0\n")
    server = serve("manage.py", "corn", cwd=project.directory, command=sys.executable, wait=False)
    server.tracebacks_expected = True
    server.wait(4)
    assert "ZeroDivisionError" in server.log


def test_port_in_use(serve: Serve, project: Project) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        arguments = ("manage.py", "corn", port)
        server = serve(
            *arguments, bind=(), cwd=project.directory, command=sys.executable, wait=False
        )
        server.wait(1)
    assert re.search(rf"error: .*127\.0\.0\.1:{port}", server.log)
    assert "Booting worker" not in server.log


def test_upgrade_keeps_the_project(serve: Serve, project: Project, tmp_path: Path) -> None:
    """USR2: the new master is started as this one was, and not by manage.py again."""
    pidfile = tmp_path / "pid"
    server = project.start_manage(serve, f"--pid={pidfile}")
    server.wait_for_workers(1)
    server.signal(SIGUSR2)
    new = Path(f"{pidfile}.2")
    successor = int(wait_for(lambda: new.exists() and new.read_text(), "the new master"))
    wait_for(lambda: any(map(polls, children(successor))), "its worker")
    server.signal(SIGTERM)
    assert server.process.wait(DEADLINE) == 0
    assert server.get("/hello") == "one"
    os.kill(successor, SIGTERM)
    wait_for(lambda: not session_members(server.pid), "the new master to end")
