"""Choosing what to serve, and the messages when that is unclear or cannot be loaded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import Server

Project = Any  # the class in conftest.py, which cannot be imported as a module

STATUS_CONFIG, STATUS_APP = 1, 4

OTHER = """
def make(settings, **more):
    return application

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"something else"]
"""

INI = """
[app:main]
paste.app_factory = other:make
"""


@pytest.fixture
def mixed(project: Project) -> Project:
    """A project with another application beside it."""
    project.save("other.py", OTHER)
    return project


# -- other things to serve beside a manage.py ----------------------------------------


@pytest.mark.parametrize("arguments", [("other",), ("--settings=mysite.settings", "other")])
def test_named_application_comes_first(
    serve: Serve, mixed: Project, arguments: tuple[str, ...]
) -> None:
    server = serve(*arguments, cwd=mixed.directory)
    assert server.get() == "something else"
    server.stop()


@pytest.mark.parametrize("way", ["beside", "manage"])
def test_application_of_the_config_file_comes_first(serve: Serve, mixed: Project, way: str) -> None:
    mixed.save("corn.conf.py", "wsgi_app = 'other'\n")
    server = _start(serve, mixed, way)
    assert server.get() == "something else"
    server.stop()


@pytest.mark.parametrize("way", ["beside", "manage"])
def test_paste_comes_first(serve: Serve, mixed: Project, way: str) -> None:
    pytest.importorskip("corn_paste")
    mixed.save("site.ini", INI)
    server = _start(serve, mixed, way, "--paste=site.ini")
    assert server.get() == "something else"
    server.stop()


def _start(serve: Serve, project: Project, way: str, *arguments: str) -> Server:
    if way == "beside":
        return serve(*arguments, cwd=project.directory)
    server: Server = project.start_manage(serve, *arguments)
    return server


@pytest.mark.parametrize("arguments", [("--disable-plugin=django",), ("--app-loader=wsgi",)])
def test_project_is_served_by_nothing_but_the_plugin(
    project: Project, arguments: tuple[str, ...]
) -> None:
    outcome = project.corn(*arguments)
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: no application to serve: name one")


def test_file_of_another_framework_is_no_project(project: Project) -> None:
    project.save("manage.py", "from flask_script import Manager\n")
    outcome = project.corn()
    assert outcome.returncode == 1
    assert outcome.stderr.startswith("error: no application to serve: name one")


# -- settings ------------------------------------------------------------------------


RAW_ENV = "--env=DJANGO_SETTINGS_MODULE="


@pytest.mark.parametrize(
    ("arguments", "variable", "wanted"),
    [
        ((), None, "mysite.settings"),
        ((), "mysite.second", "mysite.second"),
        (("--settings=mysite.second",), "mysite.third", "mysite.second"),
        (("--settings=mysite.second", "mysite.wsgi"), None, "mysite.second"),
        (("--settings=mysite.second", f"{RAW_ENV}mysite.third"), None, "mysite.second"),
        ((f"{RAW_ENV}mysite.second",), "mysite.third", "mysite.second"),
        (("--app-loader=django",), "mysite.second", "mysite.second"),
    ],
)
def test_settings_that_are_meant(
    serve: Serve,
    project: Project,
    arguments: tuple[str, ...],
    variable: str | None,
    wanted: str,
) -> None:
    for name in ("second", "third"):
        project.save(f"mysite/{name}.py", "from mysite.settings import *\n")
    env = {"DJANGO_SETTINGS_MODULE": variable} if variable else None
    server = serve(*arguments, cwd=project.directory, env=env)
    assert server.get("/facts") == f"{wanted} {wanted}"
    server.stop()


def test_settings_without_an_application(serve: Serve, project: Project) -> None:
    project.add("mysite/settings.py", "WSGI_APPLICATION = None\n")
    (project.directory / "mysite" / "wsgi.py").unlink()
    server = serve(cwd=project.directory)
    assert server.get("/hello") == "one"
    server.stop()


# -- what cannot be served -----------------------------------------------------------


class Broken(NamedTuple):
    """A project that cannot be loaded.

    :param message: the end of the one line about it.
    :param shown: what of the traceback is shown, once; None when there is none.
    """

    settings: str
    message: str
    shown: str | None
    arguments: tuple[str, ...] = ()
    status: int = STATUS_APP


MISSING = Broken(
    "",
    "settings module 'mysite.setings' (flag --settings) cannot be loaded: ModuleNotFoundError:"
    " No module named 'mysite.setings'",
    None,
    ("--settings=mysite.setings",),
    STATUS_CONFIG,
)
RAISES = Broken(
    "1/0",
    "settings module 'mysite.settings' (manage.py line 9) cannot be loaded: ZeroDivisionError:"
    " division by zero",
    'mysite/settings.py", line',
    status=STATUS_CONFIG,
)
BROKEN = {
    "missing": MISSING,
    "preloaded": RAISES._replace(arguments=("--preload",)),
    "raises": RAISES,
    "imports": Broken(
        "import missing_library",
        "ModuleNotFoundError: No module named 'missing_library'",
        'mysite/settings.py", line',
        status=STATUS_CONFIG,
    ),
    "syntax": Broken(
        "def (", "SyntaxError: invalid syntax", 'mysite/settings.py", line', status=STATUS_CONFIG
    ),
    "refused": Broken("TIME_ZONE = 'Mars'", "Incorrect timezone setting: Mars", "self.TIME_ZONE"),
    "name": Broken(
        "WSGI_APPLICATION = 'mysite.wsgi.aplication'",
        "WSGI_APPLICATION of mysite.settings: 'mysite.wsgi:aplication': mysite.wsgi has no"
        " 'aplication' (callables there: application); did you mean 'application'?",
        None,
    ),
    "module": Broken(
        "WSGI_APPLICATION = 'mysite.wsgy.application'",
        "there is no module 'mysite.wsgy' in the package 'mysite'; did you mean 'mysite.wsgi'?",
        None,
    ),
    "dots": Broken(
        "WSGI_APPLICATION = 'application'",
        "WSGI_APPLICATION of mysite.settings: expected a name such as mysite.wsgi.application,"
        " got 'application'",
        None,
    ),
    "static": Broken(
        "INSTALLED_APPS.remove('django.contrib.staticfiles')",
        "django_static: 'django.contrib.staticfiles' is not in INSTALLED_APPS",
        None,
        ("--django-static",),
    ),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN)
def test_project_that_cannot_be_loaded(serve: Serve, project: Project, case: Broken) -> None:
    project.add("mysite/settings.py", f"{case.settings}\n")
    server = serve(*case.arguments, "--workers=2", cwd=project.directory, wait=False)
    server.tracebacks_expected = True
    server.wait(case.status)
    if case.status == STATUS_CONFIG:
        # The settings are tried before anything is begun.
        assert "Listening" not in server.log and "Booting" not in server.log
    said = re.findall(r"^(?:error: |.* A worker failed to boot: )(.*)$", server.log, re.MULTILINE)
    assert len(said) == 1
    assert re.sub(r" \(settings\.py, line \d+\)$", "", said[0]).endswith(case.message)
    if case.shown is None:
        assert "Traceback" not in server.log
    else:
        assert server.log.count(case.shown) == 1
    # Neither our own frames nor those of what imports modules.
    assert "corn_django" not in server.log and "importlib" not in server.log


class Unclear(NamedTuple):
    """A project of which it cannot be told how to serve it.

    :param manage: what is in manage.py; None when there is none.
    """

    manage: str | None
    message: str
    arguments: tuple[str, ...] = ()


UNCLEAR = [
    Unclear(
        None,
        "no Django project to serve: there is no manage.py in ",
        ("--app-loader=django",),
    ),
    Unclear(None, "no application to serve"),
    Unclear("(  # DJANGO_SETTINGS_MODULE", "manage.py line 1: SyntaxError: "),
    Unclear(
        "setdefault('DJANGO_SETTINGS_MODULE', name())\nx.setdefault('DJANGO_SETTINGS_MODULE', n)",
        "manage.py does not say in plain text which settings module it uses; name it with"
        " --settings or DJANGO_SETTINGS_MODULE",
    ),
    Unclear(
        "e.setdefault('DJANGO_SETTINGS_MODULE', 'b')\ne['DJANGO_SETTINGS_MODULE'] = 'a'",
        "manage.py names several settings modules (b, a); say which one with --settings or"
        " DJANGO_SETTINGS_MODULE",
    ),
    Unclear(
        "",
        "django_settings: expected a module's dotted name, such as mysite.settings, got",
        ("--settings=mysite/settings.py",),
    ),
    Unclear(
        "",
        "django_static (flag --django-static) has no effect with app_loader (flag --app-loader)",
        ("--django-static", "--app-loader=wsgi", "mysite.wsgi"),
    ),
]


@pytest.mark.parametrize("case", UNCLEAR, ids=lambda case: case.message[:25])
def test_what_cannot_be_told_is_one_line(project: Project, case: Unclear) -> None:
    if case.manage is None:
        (project.directory / "manage.py").unlink()
    else:
        project.save("manage.py", case.manage)
    outcome = project.corn("--bind=127.0.0.1:0", *case.arguments)
    assert (outcome.returncode, outcome.stderr.count("\n")) == (1, 1)
    assert outcome.stderr.startswith(f"error: {case.message}")


# -- nothing to do with Django -------------------------------------------------------

TRACES = """
import sys

def app(environ, start_response):
    start_response("200 OK", [])
    return ["\\n".join(sys.modules).encode()]
"""


def test_plugin_that_is_not_used_imports_nothing(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "traces.py").write_text(TRACES)
    server = serve("--preload", "traces:app", cwd=tmp_path)
    loaded = server.get().split("\n")
    server.stop()
    assert "corn_django.plugin" in loaded
    ours = {name for name in loaded if name.startswith("corn_django")}
    assert ours == {"corn_django", "corn_django.names", "corn_django.plugin"}
    assert not [name for name in loaded if name.split(".")[0] in ("django", "asgiref", "sqlite3")]
