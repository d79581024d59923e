"""A project as `django-admin startproject` makes it, with a database, a user and some views."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from corn_testkit.fixtures import Serve
from corn_testkit.server import Server, environment, run
from corn_testkit.waiting import wait_for_tick

PASSWORD = "correct horse battery"

SETTINGS = """
INSTALLED_APPS.append("corn_django")
ALLOWED_HOSTS = ["*"]
SECRET_KEY = "public, but much too long to be taken for a weak secret"
TEMPLATES[0]["DIRS"] = [BASE_DIR / "templates"]
# Since Django 6.1 what startproject makes sends no mail, which is an error of deployment.
SILENCED_SYSTEM_CHECKS = ["mail.E001"]
# Others take half a second for a password, as they should.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
"""

VIEWS = """
import os
import sys
from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render

def hello(request):
    return HttpResponse("one")

def wait(request):
    with open(request.GET["q"]) as gate:
        gate.read()
    return HttpResponse("waited")

def page(request):
    return render(request, "page.html")

def facts(request):
    return HttpResponse(f"{settings.SETTINGS_MODULE} {os.environ['DJANGO_SETTINGS_MODULE']}")
"""

URLS = """
from mysite import views

urlpatterns += [
    path("hello", views.hello),
    path("wait", views.wait),
    path("page", views.page),
    path("facts", views.facts),
]
"""


class Project:
    """A directory with a `manage.py`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def save(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # A module that has just been imported would seem not to have changed since.
        wait_for_tick()
        path.write_text(text)
        return path

    def add(self, name: str, text: str) -> None:
        """Put more at the end of a file."""
        self.save(name, (self.directory / name).read_text() + text)

    def corn(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a `corn` that ends by itself."""
        return run(*arguments, cwd=self.directory)

    def manage(self, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a `manage.py` that ends by itself."""
        manage = str(self.directory / "manage.py")
        return run(manage, *arguments, cwd=cwd or self.directory, command=sys.executable)

    def start_manage(self, serve: Serve, *arguments: str) -> Server:
        """Start a server with `manage.py corn`."""
        command = ("manage.py", "corn", *arguments)
        return serve(*command, cwd=self.directory, command=sys.executable)


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project to copy; the processes of pytest-xdist share one, which takes seconds."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    made, whole = Project(shared / "django-project"), shared / "django-project-is-whole"
    with open(shared / "django-project.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            _make(made)
            whole.touch()
    return made.directory


def _make(made: Project) -> None:
    made.directory.mkdir()
    command = [sys.executable, "-m", "django", "startproject", "mysite", str(made.directory)]
    subprocess.run(command, check=True, timeout=60)
    made.add("mysite/settings.py", SETTINGS)
    made.add("mysite/urls.py", URLS)
    made.save("mysite/views.py", VIEWS)
    made.save("templates/page.html", "page one")
    user = ["--noinput", "--username=ann", "--email=ann@shop.example"]
    for arguments in (["migrate", "--verbosity=0"], ["createsuperuser", "--verbosity=0", *user]):
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=made.directory,
            env=environment({"DJANGO_SUPERUSER_PASSWORD": PASSWORD}),
            check=True,
            timeout=60,
        )


@pytest.fixture
def project(_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project of the test's own."""
    for name in ("DJANGO_SETTINGS_MODULE", "CORN_DJANGO_PATH"):
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "project"
    shutil.copytree(_template, directory)
    return Project(directory)
