"""The config file: executing it, its lines, its faults."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from corn_core.config import Origin
from corn_core.errors import ConfigError
from corn_core.settings.configfile import ConfigFile, execute

FLAG = Origin("flag", "-c")


def run(tmp_path: Path, source: str | bytes, location: str = "conf.py") -> ConfigFile:
    """Write conf.py and execute the location."""
    data = source if isinstance(source, bytes) else source.encode()
    (tmp_path / "conf.py").write_bytes(data)
    return execute(location, str(tmp_path), FLAG)


def refusal(tmp_path: Path, source: str | bytes, location: str = "conf.py") -> str:
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, source, location)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["conf.py", "./conf.py", "file:conf.py", "{cwd}/conf.py",
                                  "file:{cwd}/conf.py", "python:conf"])  # fmt: skip
def test_every_form_of_a_location(tmp_path: Path, form: str) -> None:
    file = run(tmp_path, "workers = 1 + 2\n", form.format(cwd=tmp_path))
    assert file.values == {"workers": 3}


def test_module_of_a_package_may_import_relatively(tmp_path: Path) -> None:
    package = tmp_path / "settings_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "base.py").write_text("count = 7")
    (package / "live.py").write_text("from .base import count\nworkers = count")
    file = execute("python:settings_package.live", str(tmp_path), FLAG)
    assert file.values == {"count": 7, "workers": 7}
    assert str(file.origin("workers")) == "python:settings_package.live line 2"


def test_file_knows_where_it_is_and_can_import_what_is_beside_the_server(tmp_path: Path) -> None:
    (tmp_path / "beside_the_server.py").write_text("answer = 42")
    path = list(sys.path)
    file = run(tmp_path, "from beside_the_server import answer\nhere = __file__")
    assert file.values == {"answer": 42, "here": str(tmp_path / "conf.py")}
    assert sys.path == path


def test_file_is_executed_anew_each_time_and_leaves_no_module(tmp_path: Path) -> None:
    for number in (1, 2):
        for location in ("conf.py", "python:conf"):
            assert run(tmp_path, f"workers = {number}", location).values == {"workers": number}
    assert "conf" not in sys.modules
    assert "__config__" not in sys.modules


def test_module_that_is_imported_already_stays_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "both.py").write_text("workers = 1")
    import both  # type: ignore[import-not-found]

    (tmp_path / "both.py").write_text("workers = 2\n")
    try:
        assert execute("python:both", str(tmp_path), FLAG).values == {"workers": 2}
        assert sys.modules["both"] is both
        assert both.workers == 1
    finally:
        del sys.modules["both"]


def test_dataclasses_and_future_imports_work(tmp_path: Path) -> None:
    source = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        "from typing import ClassVar\n@dataclass\nclass Part:\n    a: ClassVar[int] = 1\n"
        "    b: Missing = 2\nworkers = Part().b"
    )
    assert run(tmp_path, source).values["workers"] == 2


def test_future_imports_of_the_server_are_not_the_files(tmp_path: Path) -> None:
    file = run(tmp_path, "def f(x: 1 + 1): ...\nworkers = f.__annotations__['x']")
    assert file.values["workers"] == 2


@pytest.mark.parametrize(
    ("source", "name", "origin"),
    [
        ("\n\nworkers = 1", "workers", "conf.py line 3"),
        ("a = workers = 1", "workers", "conf.py line 1"),
        ("workers: int = 1", "workers", "conf.py line 1"),
        ("workers = 1\nworkers += 1", "workers", "conf.py lines 1, 2"),
        ("if 1:\n workers = 1\nelse:\n workers = 2", "workers", "conf.py lines 2, 4"),
        ("try:\n  workers = 1\nfinally:\n  pass", "workers", "conf.py line 2"),
        ("for workers in (1, 2): pass", "workers", "conf.py line 1"),
        ("def f():\n  workers = 3\nworkers = 1", "workers", "conf.py line 3"),
        ("class C:\n  workers = 3\nworkers = 1", "workers", "conf.py line 3"),
        ("x = [workers for workers in 'ab']\nworkers = 1", "workers", "conf.py line 2"),
        ("\ndef on_exit(server): pass", "on_exit", "conf.py line 2"),
        ("\nclass worker_class: pass", "worker_class", "conf.py line 2"),
        ("from os import path as workers", "workers", "conf.py line 1"),
        ("import os.path", "os", "conf.py line 1"),
        ("globals()['workers'] = 1", "workers", "conf.py"),
        ("from os import *", "sep", "conf.py"),
    ],
)
def test_lines_of_assignments(tmp_path: Path, source: str, name: str, origin: str) -> None:
    assert str(run(tmp_path, source).origin(name)) == origin


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        execute("missing.py", str(tmp_path), FLAG)
    assert str(caught.value) == "config file 'missing.py' does not exist (flag -c)"


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        execute(".", str(tmp_path), FLAG)
    assert str(caught.value) == "config file '.' cannot be read: Is a directory (flag -c)"


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("no_such_module", "config module 'no_such_module' cannot be found (flag -c)"),
        ("no_such.module", "config module 'no_such.module': ModuleNotFoundError: No module named"
         " 'no_such' (flag -c)"),
        ("sys", "config module 'sys' cannot be found (flag -c)"),
        ("", "config module '' cannot be found (flag -c)"),
    ],
)  # fmt: skip
def test_module_that_is_not_there(tmp_path: Path, module: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        execute(f"python:{module}", str(tmp_path), FLAG)
    assert str(caught.value) == reason


def test_package_of_a_module_that_exits_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "exits_at_once").mkdir()
    (tmp_path / "exits_at_once" / "__init__.py").write_text("raise SystemExit(3)")
    with pytest.raises(ConfigError, match=r"'exits_at_once\.x': SystemExit: 3"):
        execute("python:exits_at_once.x", str(tmp_path), FLAG)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ny = x / 0\n", "conf.py line 2: ZeroDivisionError: division by zero"),
        ("def f():\n  raise OSError('a\\nb')\nf()", "conf.py line 2: OSError: a b"),
        ("import no_such", "conf.py line 1: ModuleNotFoundError: No module named 'no_such'"),
        (
            "from uvicorn.workers import UvicornWorker",
            "conf.py line 1: ModuleNotFoundError: No module named 'uvicorn'; corn serves ASGI"
            " applications without it: pip install corn-asgi, and worker_class = 'asgi'",
        ),
        ("\nimport json\njson.loads('[')", "conf.py line 3: JSONDecodeError: "),
        ("import sys\nsys.exit('bye')", "conf.py line 2: SystemExit: bye"),
        ("x = (\n", "conf.py line 1: SyntaxError: '(' was never closed"),
        ("\n  x = 1", "conf.py line 2: IndentationError: unexpected indent"),
        ("return 1", "conf.py line 1: SyntaxError: 'return' outside function"),
        (b"x = 1\0", "conf.py"),
        (b"x = '\xff'", "conf.py"),
    ],
)
def test_file_with_a_fault(tmp_path: Path, source: str | bytes, message: str) -> None:
    assert refusal(tmp_path, source).startswith(message)


def test_cause_of_a_fault_is_kept_for_the_traceback(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, "1 / 0")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_interrupt_is_not_taken_for_a_fault(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "raise KeyboardInterrupt")
    assert "__config__" not in sys.modules


def test_executing_acts_on_nothing_else(tmp_path: Path) -> None:
    before = os.getcwd(), dict(os.environ), list(sys.path)
    run(tmp_path, "workers = 1")
    assert (os.getcwd(), dict(os.environ), list(sys.path)) == before


# -- the traceback, where the line of the message is not the whole story -----------------------


@pytest.fixture
def library(tmp_path: Path) -> Iterator[None]:
    """A module that config files can import, and which fails."""
    (tmp_path / "a_library.py").write_text("def look(table):\n    return table['missing']\n")
    yield
    sys.modules.pop("a_library", None)


@pytest.mark.usefixtures("library")
def test_fault_in_an_imported_module_has_a_traceback_without_our_frames(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text("import a_library\nworkers = a_library.look({})\n")
    with pytest.raises(ConfigError) as caught:
        execute("c.py", str(tmp_path), FLAG)
    details = caught.value.details
    assert str(caught.value) == "c.py line 2: KeyError: 'missing'"
    assert [line.split(", in ")[-1] for line in details.splitlines() if ", in " in line] == [
        "<module>", "look",
    ]  # fmt: skip
    assert "workers = a_library.look({})" in details
    assert "corn_core" not in details


def test_fault_on_the_files_own_line_has_none(tmp_path: Path) -> None:
    (tmp_path / "c.py").write_text("workers = nothing\n")
    with pytest.raises(ConfigError) as caught:
        execute("c.py", str(tmp_path), FLAG)
    assert caught.value.details == ""


@pytest.mark.parametrize(
    "source",
    [
        "password = a_library.look({'it': 'hunter2'})\n",
        "password = \\\n  a_library.look(\n    {'it': 'hunter2'})\n",
        "if True:\n  password: str = a_library.look({'it': 'hunter2'})\n",
        "try:\n  password = a_library.look({'it': 'hunter2'})\n"
        "except KeyError as e:\n  raise ValueError('bad') from e\n",
    ],
)
@pytest.mark.usefixtures("library")
def test_traceback_shows_no_line_that_sets_a_secret(tmp_path: Path, source: str) -> None:
    (tmp_path / "c.py").write_text(f"import a_library\n{source}")
    with pytest.raises(ConfigError) as caught:
        execute("c.py", str(tmp_path), FLAG, {"password"})
    assert "in look" in caught.value.details
    assert "hunter2" not in caught.value.details
    with pytest.raises(ConfigError) as caught:
        execute("c.py", str(tmp_path), FLAG)
    assert "a_library.look(" in caught.value.details
