"""--reload: what is saved is served, and a mistake is shown until it is put right."""

from __future__ import annotations

import os
import re
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import Server, run
from corn_testkit.waiting import alive, have_ended, wait_for, wait_for_tick

APP = """
import os
{imports}

def app(environ, start_response):
    body = ({text!r} + " " + str(os.getpid())).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    {action}
    return [body]
"""

watchfiles = pytest.param(
    "watchfiles",
    marks=pytest.mark.skipif(find_spec("corn_watchfiles") is None, reason="not installed"),
)


class Project:
    """A directory with an application, which tests edit."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.code("one")

    def save(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A module that has just been imported would seem not to have changed since.
        wait_for_tick()
        path.write_text(text)
        return path

    def code(self, text: str, imports: str = "", action: str = "pass") -> None:
        self.save("project.py", APP.format(text=text, imports=imports, action=action))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def version(server: Server) -> str:
    reply = server.request()
    return reply.text.split()[0] if reply.status == 200 else str(reply.status)


def wait_for_version(server: Server, wanted: str) -> None:
    wait_for(lambda: version(server) == wanted, f"{wanted!r} to be served")


@pytest.mark.parametrize("engine", ["poll", watchfiles])
def test_saved_module_is_served(serve: Serve, project: Project, engine: str) -> None:
    arguments = ("--reload", f"--reload-engine={engine}", "project:app")
    server = serve(*arguments, cwd=project.directory)
    for text in ("two", "three"):
        (old,) = server.wait_for_workers(1)
        project.code(text)
        wait_for_version(server, text)
        wait_for(partial(have_ended, [old]), "the old worker to end")
    assert re.search(r"Worker reloading: \S+/project\.py modified", server.log)
    assert server.process.poll() is None
    server.stop()


def test_two_saves_in_one_second(serve: Serve, project: Project) -> None:
    """Python itself would take the bytecode of the first for current."""
    path = project.directory / "project.py"
    project.code("aaa")
    server = serve(
        "--reload", "project:app", cwd=project.directory, env={"PYTHONDONTWRITEBYTECODE": ""}
    )
    assert version(server) == "aaa"
    saved = path.stat()
    (compiled,) = (project.directory / "__pycache__").glob("project.*.pyc")
    assert compiled.stat().st_size
    project.code("bbb")
    earlier = saved.st_mtime_ns - saved.st_mtime_ns % 10**9
    assert path.stat().st_size == saved.st_size
    os.utime(path, ns=(earlier, earlier + (saved.st_mtime_ns == earlier)))
    wait_for_version(server, "bbb")
    server.stop()


def test_nothing_is_watched_without_it(serve: Serve, project: Project) -> None:
    imports = "import sys\nassert not any('corn_core.reloading.r' in m for m in sys.modules)"
    project.code("one", imports=imports)
    server = serve("project:app", cwd=project.directory)
    assert version(server) == "one"
    # No thread but the main one.
    (worker,) = server.wait_for_workers(1)
    assert os.listdir(f"/proc/{worker}/task") == [str(worker)]
    server.stop()


def test_all_workers_are_replaced_and_no_request_fails(serve: Serve, project: Project) -> None:
    server = serve("--reload", "--workers=3", "project:app", cwd=project.directory)
    old = server.wait_for_workers(3)
    project.code("two")
    seen = set()
    while any(map(alive, old)):
        seen.add(version(server))
    assert seen <= {"one", "two"}
    server.wait_for_workers(3)
    assert {version(server) for _ in range(30)} == {"two"}
    # However many of them have noticed, they are replaced once.
    assert server.log.count("The code has changed") == 1
    server.stop()


def test_module_imported_later_is_watched(serve: Serve, project: Project) -> None:
    project.save("late.py", "VALUE = 1")
    project.code("one", action="import late")
    server = serve("--reload", "project:app", cwd=project.directory)
    (old,) = server.wait_for_workers(1)
    assert version(server) == "one"
    project.save("late.py", "VALUE = 'another'")
    wait_for(lambda: not alive(old), "the worker to be replaced")
    server.wait_for_log(r"Worker reloading: \S+/late\.py")
    server.stop()


def test_change_right_after_the_import_is_not_missed(serve: Serve, project: Project) -> None:
    """The module is saved after it was read, and before the reloader first looked at it."""
    # With the time of day: what the system notes for a file may be some milliseconds behind.
    rewrite = (
        "open('helper.py', 'w').write('VALUE = 2'); import time;"
        " os.utime('helper.py', (time.time(), time.time()))"
    )
    project.save("helper.py", "VALUE = 1")
    imports = f"import helper\nif helper.VALUE == 1:\n    {rewrite}"
    project.code("one", imports=imports)
    server = serve("--reload", "project:app", cwd=project.directory)
    server.wait_for_log(r"Worker reloading: \S+/helper\.py")
    wait_for(lambda: server.log.count("Booting worker") == 2, "the second worker")
    server.stop()


def test_module_that_the_application_writes_is_no_change(serve: Serve, project: Project) -> None:
    project.save("extra.txt", "1")
    project.code("one", imports="open('made.py', 'w').write('VALUE = 1')\nimport made")
    arguments = ("--reload", "--reload-extra-file=extra.txt", "project:app")
    server = serve(*arguments, cwd=project.directory)
    (old,) = server.wait_for_workers(1)
    # Whatever would be taken for a change has been when this one is.
    project.save("extra.txt", "22")
    wait_for(lambda: not alive(old), "the worker to be replaced")
    assert "made.py" not in server.log
    assert "extra.txt modified" in server.log, "and nothing else"
    server.stop()


@pytest.mark.parametrize(
    ("broken", "shown"),
    [
        ("def app(:\n", "SyntaxError"),
        ("import helper\n", "NameError: name &#x27;oops&#x27; is not defined"),
        ("'<script>'.nothing\n", "&lt;script&gt;"),
        ("from missing_thing import x\n", "No module named &#x27;missing_thing&#x27;"),
    ],
)
def test_mistake_is_shown_and_the_next_good_save_heals_it(
    serve: Serve, project: Project, broken: str, shown: str
) -> None:
    project.save("helper.py", "oops")
    server = serve("--reload", "--workers=2", "project:app", cwd=project.directory)
    server.tracebacks_expected = True
    server.wait_for_workers(2)
    assert version(server) == "one"
    project.save("project.py", broken)
    wait_for_version(server, "500")
    wait_for(lambda: {version(server) for _ in range(10)} == {"500"}, "both to be replaced")
    page = server.request()
    assert page.header("Content-Type") == "text/html; charset=utf-8"
    assert "project.py" in page.text
    assert shown in page.text
    assert "<script>" not in page.text
    server.wait_for_log("Traceback|SyntaxError")
    project.code("good")
    wait_for_version(server, "good")
    wait_for(lambda: {version(server) for _ in range(10)} == {"good"}, "both to be healed")
    server.stop()


@pytest.mark.parametrize(
    ("name", "text"),
    [("helper.py", "def broken(:\n"), ("helper.py", "raise RuntimeError('no')\n")],
)
def test_server_starts_with_a_mistake_and_heals_when_its_file_is_saved(
    serve: Serve, project: Project, name: str, text: str
) -> None:
    """The file with the mistake is in no module that is there: its import has failed."""
    project.save(name, text)
    project.code("one", imports="import helper")
    server = serve("--reload", "project:app", cwd=project.directory)
    server.tracebacks_expected = True
    assert version(server) == "500"
    project.save(name, "fine = True\n")
    wait_for_version(server, "one")
    server.stop()


@pytest.mark.parametrize("place", ["missing.py", "missing/__init__.py"])
def test_missing_module_heals_when_it_is_made(serve: Serve, project: Project, place: str) -> None:
    project.code("one", imports="import missing")
    server = serve("--reload", "project:app", cwd=project.directory)
    server.tracebacks_expected = True
    assert version(server) == "500"
    project.save(place, "")
    wait_for_version(server, "one")
    server.stop()


def test_application_that_does_not_exist_ends_the_server(project: Project) -> None:
    for name, message in [("nowhere:app", "no module 'nowhere'"), ("project:ap", "has no 'ap'")]:
        outcome = run("--reload", "--bind=127.0.0.1:0", name, cwd=project.directory)
        assert outcome.returncode == 4
        assert message in outcome.stderr


def test_name_that_is_gone_leaves_the_old_workers_until_it_is_back(
    serve: Serve, project: Project
) -> None:
    server = serve("--reload", "project:app", cwd=project.directory)
    assert version(server) == "one"
    project.save("project.py", "nothing = 1\n")
    server.wait_for_log("project has no 'app'")
    server.wait_for_log("Reload failed; the server continues as it was")
    assert version(server) == "one"
    project.code("two")
    wait_for_version(server, "two")
    server.stop()


def test_libraries_are_not_watched(serve: Serve, project: Project) -> None:
    package = project.save("site-packages/library.py", "VALUE = 1")
    project.save("extra.txt", "1")
    code = f"import sys\nsys.path.append({str(package.parent)!r})\nimport library"
    project.code("one", imports=code)
    arguments = ("--reload", "--reload-extra-file=extra.txt", "project:app")
    server = serve(*arguments, cwd=project.directory)
    (old,) = server.wait_for_workers(1)
    assert version(server) == "one"
    package.write_text("VALUE = 'another'")
    # What was saved later is noticed, so the library would have been.
    project.save("extra.txt", "22")
    wait_for(lambda: not alive(old), "the worker to be replaced")
    assert "library.py" not in server.log
    assert "extra.txt modified" in server.log
    server.stop()


@pytest.mark.parametrize("engine", ["poll", watchfiles])
def test_patterns_are_expanded_anew(serve: Serve, project: Project, engine: str) -> None:
    first = project.save("pages/a/first.html", "1")
    arguments = ("--reload", f"--reload-engine={engine}", "--reload-extra-file=pages/**/*.html")
    server = serve(*arguments, "project:app", cwd=project.directory)

    def replaced_by(change: str) -> None:
        (old,) = server.wait_for_workers(1)
        if change == "made":
            project.save("pages/b/second.html", "1")
        elif change == "saved":
            project.save("pages/b/second.html", "22")
        else:
            first.unlink()
        wait_for(lambda: not alive(old), f"the worker to be replaced after a file was {change}")

    for change in ("made", "saved", "removed"):
        replaced_by(change)
    assert len(re.findall(r"second\.html modified", server.log)) == 2
    assert len(re.findall(r"first\.html modified", server.log)) == 1
    server.stop()


def test_preloading_is_warned_of(serve: Serve, project: Project) -> None:
    arguments = ("--reload", "--preload", "--reload-extra-file=extra.txt", "project:app")
    project.save("extra.txt", "1")
    server = serve(*arguments, cwd=project.directory)
    server.wait_for_log(r"\[WARNING\] The reloader is incompatible with application preloading")
    (old,) = server.wait_for_workers(1)
    project.code("two")
    project.save("extra.txt", "22")
    wait_for(lambda: not alive(old), "the worker to be replaced")
    assert version(server) == "one"
    assert "extra.txt modified" in server.log, "and nothing else"
    server.stop()


def test_reloader_is_an_attribute_of_the_worker(serve: Serve, project: Project) -> None:
    project.save(
        "corn.conf.py",
        """
def post_worker_init(worker):
    files = worker.reloader.get_files()
    worker.log.info("watching %s", files)
    worker.reloader.add_extra_file("more.txt")
""",
    )
    project.save("more.txt", "1")
    server = serve("--reload", "project:app", cwd=project.directory)
    server.wait_for_log(rf"watching \['{project.directory}/project\.py'\]")
    (old,) = server.wait_for_workers(1)
    project.save("more.txt", "22")
    wait_for(lambda: not alive(old), "the worker to be replaced")
    server.stop()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--reload-engine=pol"], "reload engine 'pol' is not known; did you mean 'poll'?"),
        (["--reload-engine=os:nothing"], "reload engine 'os:nothing': os has no 'nothing'"),
        (["--reload-extra-file=nowhere.txt"], "there is no file 'nowhere.txt' in "),
        (["--reload-extra-file=sub"], "'sub' is a directory; write 'sub/**' for its files"),
    ],
)
def test_bad_values_are_refused_at_once(
    project: Project, arguments: list[str], message: str
) -> None:
    (project.directory / "sub").mkdir()
    command = ["--reload", *arguments, "--bind=127.0.0.1:0", "project:app"]
    outcome = run(*command, cwd=project.directory)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: ")
    assert message in outcome.stderr
    assert outcome.stderr.count("\n") == 1


def test_engine_that_fails_gives_way_to_polling(serve: Serve, project: Project) -> None:
    project.save(
        "engines.py",
        """
class Broken:
    def wait(self, directories, stop):
        raise OSError("no watches left")
""",
    )
    arguments = ("--reload", "--reload-engine=engines:Broken", "--pythonpath=.", "project:app")
    server = serve(*arguments, cwd=project.directory)
    server.wait_for_log(r"The reload engine has failed \(no watches left\); polling instead")
    project.code("two")
    wait_for_version(server, "two")
    server.stop()
