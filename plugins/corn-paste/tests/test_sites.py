"""A Pyramid site and one in the manner of Pylons, served by ``corn --paste`` and by ``pserve``."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from signal import SIGHUP
from typing import Any

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import Server, run
from corn_testkit.waiting import wait_for

APPS = Path(__file__).with_name("apps")
PSERVE = str(Path(sys.executable).with_name("pserve"))
WAYS = ("corn", "pserve")


class Site:
    """A copy of a site, and the ways to serve it."""

    def __init__(self, name: str, directory: Path, serve: Serve) -> None:
        self.directory = directory / name
        self.serve = serve
        shutil.copytree(APPS / name, self.directory)
        (self.ini,) = self.directory.glob("*.ini")

    def edit(self, old: str, new: str) -> None:
        text = self.ini.read_text()
        assert old in text
        self.ini.write_text(text.replace(old, new))

    def corn(
        self, *arguments: str, name: str = "", cwd: Path | None = None, wait: bool = True
    ) -> Server:
        file = f"--paste={self.ini.name}{name}"
        return self.serve(file, *arguments, bind=(), cwd=cwd or self.directory, wait=wait)

    def pserve(self, *variables: str, options: tuple[str, ...] = (), wait: bool = True) -> Server:
        # pserve itself finds only what is installed.
        env = {"PYTHONPATH": str(self.directory)}
        arguments = [*options, self.ini.name, *variables]
        return self.serve(
            *arguments, bind=(), cwd=self.directory, env=env, command=PSERVE, wait=wait
        )

    def by(self, way: str, **variables: str) -> Server:
        given = [f"{name}={value}" for name, value in variables.items()]
        if way == "pserve":
            return self.pserve(*given)
        return self.corn(*(f"--paste-global={each}" for each in given))


@pytest.fixture
def pyramid(tmp_path: Path, serve: Serve) -> Site:
    return Site("pyramid_site", tmp_path, serve)


@pytest.fixture
def pylons(tmp_path: Path, serve: Serve) -> Site:
    return Site("pylons_site", tmp_path, serve)


def get(server: Server, path: str = "/") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.get(path))
    return found


# -- both ways -----------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_pyramid_site_has_the_settings_of_its_file(pyramid: Site, way: str) -> None:
    server = pyramid.by(way)
    server.wait_for_workers(2)
    server.wait_for_log("born: brim", count=2)
    assert get(server) | {"pid": 0} == {"title": "The Shop", "mode": "test", "pid": 0}
    server.wait_for_log(r"^INFO  \[shop:\d+\] the front page is asked for$")
    log = pyramid.directory / "access.log"
    wait_for(lambda: '"GET / HTTP/1.1" 200' in log.read_text(), "the access line")
    server.stop()
    assert server.log.count("the front page is asked for") == 1
    assert server.log.count("Starting corn") == 1


@pytest.mark.parametrize("way", WAYS)
def test_an_error_of_the_application_is_answered_and_logged(pyramid: Site, way: str) -> None:
    server = pyramid.by(way)
    server.tracebacks_expected = True
    assert server.request(path="/fail").status == 500
    server.wait_for_log("RuntimeError: on purpose")
    server.stop()


@pytest.mark.parametrize("way", WAYS)
def test_a_composite_with_a_filter_and_globals(pylons: Site, way: str) -> None:
    server = pylons.by(way, color="red")
    page = get(server, "/start")
    assert (page["script"], page["path"], page["by"]) == ("", "/start", "sign")
    assert page["local"] == {"cache_dir": f"{pylons.directory}/data"}
    variables = page["global"]
    assert variables["here"] == str(pylons.directory)
    assert variables["__file__"] == str(pylons.ini)
    assert (variables["debug"], variables["color"]) == ("true", "red")
    admin = get(server, "/admin/users")
    assert (admin["script"], admin["path"], admin["by"]) == ("/admin", "/users", "")
    assert admin["local"]["shade"] == "dark red"
    assert admin["local"]["mail"] == "you@example.com"
    server.stop()


@pytest.mark.parametrize("way", WAYS)
def test_variables_stand_for_settings_and_in_the_logging_sections(pyramid: Site, way: str) -> None:
    pyramid.edit("workers = 2", "workers = %(many)s")
    pyramid.edit("args = (sys.stderr,)", "args = (sys.%(stream)s,)")
    server = pyramid.by(way, many="1", stream="stdout")
    server.wait_for_workers(1)
    get(server)
    wait_for(lambda: "the front page is asked for" in server.output, "the message")
    server.stop()


@pytest.mark.parametrize("way", WAYS)
def test_a_reload_reads_the_settings_again(pyramid: Site, way: str) -> None:
    server = pyramid.by(way)
    first = set(server.wait_for_workers(2))
    pyramid.edit("workers = 2", "workers = 1")
    pyramid.edit("SHOP_MODE=test", "SHOP_MODE=changed")
    pyramid.edit("format = %(levelname)", "format = AGAIN %(levelname)")
    server.signal(SIGHUP)
    wait_for(lambda: not first & set(server.workers()), "the old workers to go")
    server.wait_for_workers(1)
    assert get(server)["mode"] == "changed"
    server.wait_for_log("^AGAIN INFO ")
    pyramid.edit("workers = 1", "workers = one")
    server.signal(SIGHUP)
    server.wait_for_log(r"workers: expected .*, got 'one' \(development\.ini section \[server:main")
    server.wait_for_log("Reload failed; the server continues as it was")
    assert get(server)["mode"] == "changed"
    server.stop()


BAD = [
    ("workers = 2", "wrkers = 2", "there is no setting 'wrkers'; did you mean 'workers'?"),
    ("workers = 2", "workers = two", "workers: expected a whole number of at least 1, or auto,"
                                     " got 'two'"),
    ("port = 0", "port = http", "port: expected a whole number from 0 to 65535, got 'http'"),
    ("hooks.born", "hooks.bron", "post_worker_init: 'hooks.bron': AttributeError: module 'hooks'"
                                 " has no attribute 'bron'"),
    ("workers = 2", "wsgi_app = shop:app", "wsgi_app cannot be set in an ini file, where the"
                                           " application is a section"),
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_bad_setting_is_one_line(
    pyramid: Site, way: str, old: str, new: str, message: str
) -> None:
    pyramid.edit(old, new)
    arguments = ["--paste", pyramid.ini.name] if way == "corn" else ["-q", pyramid.ini.name]
    outcome = run(
        *arguments,
        cwd=pyramid.directory,
        # Pyramid itself may warn about a library that it uses.
        env={"PYTHONPATH": str(pyramid.directory), "PYTHONWARNINGS": "ignore"},
        **({} if way == "corn" else {"command": PSERVE}),
    )
    assert outcome.stderr == f"error: {message} (development.ini section [server:main])\n"
    assert outcome.stdout == ""
    assert outcome.returncode == 1


# -- corn --paste --------------------------------------------------------------------


def test_an_application_by_its_name(pylons: Site) -> None:
    server = pylons.corn("--paste-global=color=blue", name="#admin")
    assert get(server, "/x")["local"]["shade"] == "dark blue"
    server.stop()


def test_the_application_is_that_of_the_file_after_a_reload(pyramid: Site) -> None:
    server = pyramid.corn("--workers=1")
    assert get(server)["title"] == "The Shop"
    pyramid.edit("The Shop", "The New Shop")
    server.signal(SIGHUP)
    wait_for(lambda: get(server)["title"] == "The New Shop", "the new title")
    server.stop()


def test_the_file_is_watched(pyramid: Site) -> None:
    server = pyramid.corn("--workers=1", "--reload", "--reload-engine=poll")
    assert get(server)["title"] == "The Shop"
    server.wait_for_workers(1)
    pyramid.edit("The Shop", "The New Shop")
    server.wait_for_log(r"Worker reloading: .*/development\.ini modified")
    wait_for(lambda: get(server)["title"] == "The New Shop", "the new title")
    server.stop()


def test_paths_begin_in_chdir(pyramid: Site, tmp_path: Path) -> None:
    pyramid.edit("accesslog = %(here)s/access.log", "accesslog = access.log\nchdir = logs")
    (tmp_path / "logs").mkdir()
    server = pyramid.corn("--chdir=pyramid_site", cwd=tmp_path)
    assert get(server)["title"] == "The Shop"
    assert (pyramid.directory / "access.log").exists()
    server.stop()


def test_the_file_may_change_the_directory(pyramid: Site, tmp_path: Path) -> None:
    pyramid.edit("accesslog = %(here)s/access.log", "accesslog = access.log\nchdir = logs")
    (pyramid.directory / "logs").mkdir()
    server = pyramid.corn("--workers=1")
    pids = server.wait_for_workers(1)
    assert get(server)["title"] == "The Shop"
    assert (pyramid.directory / "logs" / "access.log").exists()
    server.signal(SIGHUP)
    wait_for(lambda: not set(pids) & set(server.workers()), "the old worker to go")
    assert get(server)["title"] == "The Shop"
    server.stop()


def test_config_file_and_flags_count_for_more(pyramid: Site) -> None:
    (pyramid.directory / "corn.conf.py").write_text("workers = 3\nproc_name = 'file'\n")
    outcome = run("--paste=development.ini", "--workers=4", "--print-config", cwd=pyramid.directory)
    assert outcome.returncode == 0, outcome.stderr
    lines = set(outcome.stdout.splitlines())
    assert lines >= {
        "workers = 4  # flag --workers",
        "proc_name = 'file'  # corn.conf.py line 2",
        "bind = ['127.0.0.1:0']  # development.ini section [server:main]",
        f"logconfig = '{pyramid.ini}'  # development.ini section [loggers]",
        "paste = 'development.ini'  # flag --paste",
        "post_worker_init = <hooks.born>  # development.ini section [server:main]",
    }


def test_a_config_file_may_name_the_file(pylons: Site) -> None:
    (pylons.directory / "corn.conf.py").write_text(
        "paste = 'site.ini#admin'\nraw_paste_global_conf = ['color=green']\nbind = '127.0.0.1:0'\n"
    )
    server = pylons.serve(bind=(), cwd=pylons.directory)
    assert get(server)["local"]["shade"] == "dark green"
    server.stop()


def test_the_section_of_another_server_gives_host_and_port_only(pylons: Site) -> None:
    pylons.edit("use = egg:corn-paste#main", "use = egg:waitress#main\nthreads = 4\nworkers = 9")
    server = pylons.corn("--paste-global=color=red", "--workers=1")
    server.wait_for_log(
        r"section \[server:main\] of site\.ini is for egg:waitress#main, not for"
        " egg:corn-paste#main; only its host and port are used"
    )
    assert get(server)["by"] == "sign"
    server.stop()


def test_another_application_after_a_reload_though_it_is_preloaded(pylons: Site) -> None:
    config = pylons.directory / "corn.conf.py"
    text = "paste = 'site.ini#{}'\npreload_app = True\nraw_paste_global_conf = 'color=green'\n"
    config.write_text(text.format("pages"))
    server = pylons.serve(bind=(), cwd=pylons.directory)
    assert "shade" not in get(server)["local"]
    config.write_text(text.format("admin"))
    server.signal(SIGHUP)
    wait_for(lambda: "shade" in get(server)["local"], "the other application")
    server.stop()


REFUSED = [
    (["--paste=nothing.ini"], "paste: 'nothing.ini' does not exist ({}/nothing.ini)"
                              " (flag --paste)"),
    (["--paste=site.ini#admn"], "site.ini has no application 'admn', as in [app:admn]; did you"
                                " mean 'admin'? (applications there: main, wiki, pages, admin)"
                                " (flag --paste)"),
    (["--paste=site.ini", "wiki:app"], "paste (flag --paste) and wsgi_app (command line) both name"
                                       " an application; give one of them"),
    (["--paste=#main"], "paste: expected an ini file, as FILE or FILE#NAME, such as"
                        " production.ini#admin, got '#main' (flag --paste)"),
    (["--paste=site.ini", "--paste-global=color"],
     "raw_paste_global_conf: expected KEY=VALUE, such as debug=true (not 'color'), got ['color']"
     " (flag --paste-global)"),
    (["--app-loader=paste"], "app_loader: the loader paste needs an ini file; name it, as in"
                             " --paste production.ini"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_what_cannot_be_used_is_one_line(pylons: Site, arguments: list[str], message: str) -> None:
    outcome = run(*arguments, cwd=pylons.directory)
    assert outcome.stderr == f"error: {message.format(pylons.directory)}\n"
    assert (outcome.returncode, outcome.stdout) == (1, "")


BROKEN = [
    ("#pages", "wiki:make_app", "wiki:fail", "RuntimeError: no wiki today", True),
    ("#pages", "wiki:make_app", "wiki:nothing", "AttributeError: module 'wiki' has no", False),
    ("#pages", "wiki:make_app", "no_wiki:make", "ModuleNotFoundError: No module named", False),
    ("#pages", "wiki:make_app", "wiki:make_nothing", "returned None, not a WSGI", False),
    ("#wiki", "= sign pages", "= signs pages", "LookupError: No section 'signs'", False),
    ("#admin", "dark %(color)s", "%(hue)s", "InterpolationMissingOptionError: ", False),
]


@pytest.mark.parametrize(("name", "old", "new", "reason", "traceback"), BROKEN)
def test_an_application_that_cannot_be_made(
    pylons: Site, name: str, old: str, new: str, reason: str, traceback: bool
) -> None:
    pylons.edit(old, new)
    server = pylons.corn("--paste-global=color=red", "--workers=2", name=name, wait=False)
    server.tracebacks_expected = True
    server.wait(4)
    server.wait_for_log(rf"A worker failed to boot: 'site\.ini{name}': .*{re.escape(reason)}")
    assert server.log.count("Traceback") == traceback
    assert ("wiki.py" in server.log) is traceback
    assert "loadwsgi.py" not in server.log


def test_a_check_tells_what_is_wrong_with_the_application(pylons: Site) -> None:
    pylons.edit("wiki:make_app", "wiki:fail")
    outcome = run("--paste=site.ini#pages", "--check-config", cwd=pylons.directory)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("Traceback")
    assert outcome.stderr.endswith(
        "error: 'site.ini#pages': loading it failed: RuntimeError: no wiki today\n"
    )


# -- pserve --------------------------------------------------------------------------


def test_pserve_may_be_told_another_server_section(pylons: Site) -> None:
    pylons.edit(
        "[composite:main]",
        "workers = 3\n\n[server:bad]\nuse = missing\n\n[server:two]\nuse = egg:corn-paste#main\n"
        "port = 0\n\n[composite:main]",
    )
    server = pylons.pserve("color=red", options=("--server-name=two",))
    assert get(server)["by"] == "sign"
    (pid,) = server.wait_for_workers(1)
    pylons.edit("port = 0\n\n[composite", "port = 0\nworkers = 2\n\n[composite")
    server.signal(SIGHUP)
    wait_for(lambda: pid not in server.workers(), "the old worker to go")
    server.wait_for_workers(2)
    server.stop()


def test_pserve_ends_with_the_servers_status(pyramid: Site) -> None:
    (pyramid.directory / "hooks.py").write_text("def born(worker):\n    raise ValueError('no')\n")
    server = pyramid.pserve(wait=False)
    server.tracebacks_expected = True
    server.wait(3)
    assert "Reason: Worker failed to boot." in server.log


def test_pserve_warns_that_changes_are_not_seen(pyramid: Site) -> None:
    pyramid.edit("workers = 2", "workers = 1\nreload = true")
    server = pyramid.pserve()
    server.wait_for_log("The reloader is incompatible with application preloading")
    server.stop()


RUN = """
import sys
from corn_paste.runner import main

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"from a program"]

main(app, None, **dict(each.split("=") for each in sys.argv[1:]))
"""


def test_a_program_may_run_it_without_a_file(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(RUN)
    server = serve(
        *("program.py", "host=127.0.0.1", "port=0"), bind=(), cwd=tmp_path, command=sys.executable
    )
    assert server.get() == "from a program"
    (old,) = server.wait_for_workers(1)
    server.signal(SIGHUP)
    wait_for(lambda: old not in server.workers(), "the old worker to go")
    assert server.get() == "from a program"
    server.stop()
    outcome = run("program.py", "timeout=never", cwd=tmp_path, command=sys.executable)
    assert outcome.stderr == (
        "error: timeout: expected a number of seconds, 0 or more, got 'never'"
        " (the server's section)\n"
    )
    assert outcome.returncode == 1


# -- a plugin that is not used -------------------------------------------------------


def test_nothing_is_imported_when_it_is_not_used(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "traces.py").write_text(
        "import sys\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [' '.join(sys.modules).encode()]\n"
    )
    server = serve("traces:app", cwd=tmp_path)
    loaded = set(server.get().split())
    server.stop()
    assert "corn_paste.plugin" in loaded
    ours = {name for name in loaded if name.startswith("corn_paste.")}
    assert ours == {"corn_paste.plugin"}
    assert loaded.isdisjoint({"paste.deploy", "configparser"})
