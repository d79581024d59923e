"""A project is served: its admin, its database on disk, its static files, its changes."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGHUP
from typing import Any
from urllib.parse import urlencode

import pytest

from corn_testkit.client import Reply, read_all
from corn_testkit.fixtures import Serve
from corn_testkit.gate import Gate
from corn_testkit.server import Server
from corn_testkit.waiting import wait_for

Project = Any  # the class in conftest.py, which cannot be imported as a module

PASSWORD = "correct horse battery"
STATIC = "/static/admin/css/base.css"

WAYS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "beside": ((), {}),
    "named": (("mysite.wsgi",), {}),
    "settings": (("--settings=mysite.settings",), {}),
    "preload": (("--preload",), {}),
    "manage": (("manage.py", "corn"), {"command": sys.executable}),
}
"""The ways to serve a project: arguments, and how to start the server."""


@dataclass
class Browser:
    """A client that keeps cookies, and fills in forms."""

    server: Server
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> Reply:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = None if form is None else urlencode(form).encode()
        reply = self.server.request(method, path, body, headers)
        for cookie in reply.all("Set-Cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return reply

    def send(self, path: str, **form: str) -> Reply:
        """Send the form of a page, with the token in it."""
        page = self.ask("GET", path).text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token, page
        return self.ask("POST", path, {"csrfmiddlewaretoken": token[1], **form})

    def log_in(self) -> Reply:
        return self.send("/admin/login/?next=/admin/", username="ann", password=PASSWORD)


@pytest.mark.parametrize("way", WAYS)
def test_admin_can_be_logged_into(serve: Serve, project: Project, way: str) -> None:
    arguments, how = WAYS[way]
    server = serve(*arguments, cwd=project.directory, **how)
    browser = Browser(server)
    assert browser.ask("GET", "/admin/").status == 302
    reply = browser.log_in()
    assert (reply.status, reply.header("Location")) == (302, "/admin/")
    assert "Welcome" in browser.ask("GET", "/admin/").text
    server.stop()


def test_what_is_saved_is_there_after_a_restart(serve: Serve, project: Project) -> None:
    server = serve("--workers=2", cwd=project.directory)
    browser = Browser(server)
    browser.log_in()
    reply = browser.send("/admin/auth/group/add/", name="editors")
    assert (reply.status, reply.header("Location")) == (302, "/admin/auth/group/")
    server.stop()
    browser.server = serve(cwd=project.directory)
    # The session is in the database too.
    assert "editors" in browser.ask("GET", "/admin/auth/group/").text
    browser.server.stop()


def test_form_without_its_token_is_refused(serve: Serve, project: Project) -> None:
    server = serve(cwd=project.directory)
    form = {"username": "ann", "password": PASSWORD}
    assert Browser(server).ask("POST", "/admin/login/", form).status == 403
    server.stop()


def test_slow_view_holds_up_nobody_else(serve: Serve, project: Project, gate: Gate) -> None:
    server = serve("--workers=2", cwd=project.directory)
    server.wait_for_workers(2)
    with server.address.connect() as slow:
        slow.sendall(gate.request)
        gate.entered()
        assert server.get("/hello") == "one"
        gate.open()
        assert read_all(slow).endswith(b"waited")
    server.stop()


@pytest.mark.parametrize(
    ("arguments", "debug", "status"),
    [
        (("--django-static",), True, 200),
        (("--django-static", "mysite.wsgi"), True, 200),
        (("--django-static",), False, 404),
        ((), True, 404),
    ],
    ids=["asked", "named", "no-debug", "not-asked"],
)
def test_static_files(
    serve: Serve, project: Project, arguments: tuple[str, ...], debug: bool, status: int
) -> None:
    project.add("mysite/settings.py", f"DEBUG = {debug}\n")
    server = serve(*arguments, cwd=project.directory)
    reply = server.request(path=STATIC)
    assert reply.status == status
    if status == 200:
        assert reply.header("Content-Type") == "text/css"
        (source,) = _django().glob("contrib/admin/static/admin/css/base.css")
        assert reply.body == source.read_bytes()
        assert server.request(path="/static/nothing.css").status == 404
    assert server.get("/hello") == "one"
    server.stop()


def _django() -> Path:
    import django

    return Path(django.__file__).parent


@pytest.mark.parametrize("way", ["beside", "manage"])
def test_saved_view_is_served(serve: Serve, project: Project, way: str) -> None:
    arguments, how = WAYS[way]
    server = serve(*arguments, "--reload", cwd=project.directory, **how)
    assert server.get("/hello") == "one"
    views = (project.directory / "mysite" / "views.py").read_text()
    project.save("mysite/views.py", views.replace('"one"', '"another"'))
    wait_for(lambda: server.get("/hello") == "another", "the new view")
    server.stop()


def test_saved_template_is_served(serve: Serve, project: Project) -> None:
    """Django would show the old one, because it reads each template once per worker."""
    server = serve("--reload", "mysite.wsgi", cwd=project.directory)
    assert server.get("/page") == "page one"
    project.save("templates/page.html", "page number two")
    wait_for(lambda: server.get("/page") == "page number two", "the new template")
    server.stop()


def test_reload_brings_new_code_after_manage(serve: Serve, project: Project) -> None:
    """manage.py has imported the project; the server that takes its place has not."""
    server = serve("manage.py", "corn", cwd=project.directory, command=sys.executable)
    assert server.get("/hello") == "one"
    project.add("mysite/urls.py", "urlpatterns = [path('new', views.hello)]\n")
    (old,) = server.wait_for_workers(1)
    server.signal(SIGHUP)
    wait_for(lambda: server.request(path="/new").status == 200, "the new code")
    wait_for(lambda: old not in server.workers(), "the old worker to end")
    server.stop()


def test_connections_of_a_preloaded_project_stay_in_the_master(
    serve: Serve, project: Project
) -> None:
    query = "\nfrom django.contrib.auth.models import User\nusers = User.objects.count()\n"
    project.add("mysite/wsgi.py", query)
    project.save(
        "corn.conf.py",
        "def post_fork(server, worker):\n"
        "    from django.db import connection\n"
        "    server.log.info('inherited: %s', connection.connection)\n",
    )
    server = serve("--preload", "--workers=2", cwd=project.directory)
    server.wait_for_log("inherited: None$", count=2)
    assert server.get("/hello") == "one"
    server.stop()
