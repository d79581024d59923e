"""Imports of ``gunicorn`` in corn's processes, each tried in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

START = "from corn_gunicorn.finder import install; install()\n"


def python(source: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        cwd=path,
        timeout=60,
    )


def printed(source: str, path: Path | None = None) -> str:
    outcome = python(START + source, path)
    assert outcome.returncode == 0, outcome.stderr
    return outcome.stdout.strip()


def failure(source: str) -> str:
    outcome = python(START + source)
    assert outcome.returncode == 1
    return outcome.stderr.splitlines()[-1]


IMPORTS = """
import gunicorn, gunicorn.app.base, gunicorn.glogging, gunicorn.util
from gunicorn import SERVER_SOFTWARE, __version__, config
from gunicorn.app.base import Application, BaseApplication
from gunicorn.app.wsgiapp import WSGIApplication, run
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.errors import AppImportError
from gunicorn.glogging import CONFIG_DEFAULTS, Logger
from gunicorn.six import iteritems
from gunicorn.util import import_app, is_ipv6, parse_address
from gunicorn.workers import SUPPORTED_WORKERS
from gunicorn.workers.base import Worker
from gunicorn.workers.sync import SyncWorker
import corn_core.app, corn_core.arbiter.arbiter, corn_core.config, corn_core.logs, corn_core.worker
assert BaseApplication is corn_core.app.BaseApplication
assert issubclass(WSGIApplication, Application)
assert Arbiter is corn_core.arbiter.arbiter.Arbiter
assert Config is corn_core.config.Config
assert issubclass(Logger, corn_core.logs.Logger)
assert issubclass(SyncWorker, Worker) and Worker is corn_core.worker.Worker
assert dict(iteritems({1: 2})) == {1: 2}
assert parse_address("127.0.0.1:80") == ("127.0.0.1", 80)
assert parse_address("unix:/a") == "/a"
assert parse_address("[::1]", "81") == ("::1", 81)
assert is_ipv6("::1") and not is_ipv6("1.2.3.4")
assert import_app("json:dumps")({}) == "{}"
print(SERVER_SOFTWARE)
"""


def test_imports_resolve_to_our_own() -> None:
    assert printed(IMPORTS).startswith("corn/")


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("import gunicorn.http.wsgi", "gunicorn.http has no counterpart in corn: corn_core.http"),
        ("from gunicorn.dirty import DirtyApp", "gunicorn.dirty has no counterpart in corn: corn"),
        ("import gunicorn.nothing", "see Coming from Gunicorn in corn's documentation"),
        ("from gunicorn.config import Setting", "a plugin declares settings"),
        ("from gunicorn.util import daemonize", "the setting daemon does it"),
        ("from gunicorn.errors import HaltServer", "raise SystemExit"),
        ("from gunicorn.workers.ggevent import PyWSGIHandler", "no part in it"),
        ("from gunicorn.app.pasterapp import serve", "pip install corn-paste"),
    ],
)
def test_what_has_no_counterpart_says_so(statement: str, says: str) -> None:
    last = failure(statement)
    assert says in last and last.split(":")[0].endswith(("ImportError", "ModuleNotFoundError"))


def test_names_that_gunicorn_does_not_have_are_missing_as_ever() -> None:
    assert "cannot import name 'nothing'" in failure("from gunicorn.util import nothing")
    assert printed("import gunicorn.util; print(hasattr(gunicorn.util, 'nothing'))") == "False"


def test_the_real_package_comes_first(tmp_path: Path) -> None:
    (tmp_path / "gunicorn").mkdir()
    (tmp_path / "gunicorn" / "__init__.py").write_text("REAL = True\n")
    assert printed("import gunicorn; print(gunicorn.REAL)", tmp_path) == "True"
    missing = "import gunicorn\ntry:\n import gunicorn.util\nexcept ImportError as e:\n print(e)"
    assert printed(missing, tmp_path) == "No module named 'gunicorn.util'"


def test_nothing_is_answered_before_it_is_installed_and_after_it_is_removed() -> None:
    assert "No module named 'gunicorn'" in python("import gunicorn").stderr
    assert "No module named 'gunicorn'" in python("import corn_gunicorn; import gunicorn").stderr
    remove = "import gunicorn.util\nfrom corn_gunicorn.finder import remove; remove()\n"
    assert failure(f"{remove}import gunicorn") == "ModuleNotFoundError: No module named 'gunicorn'"


def test_there_is_no_package_of_that_name_on_disk() -> None:
    import corn_gunicorn

    below = Path(corn_gunicorn.__file__).parent
    assert [path for path in below.rglob("gunicorn*") if path.suffix != ".pyc"] == []
