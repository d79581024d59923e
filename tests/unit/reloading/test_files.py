"""Files that take part in an application, and in an error."""

from __future__ import annotations

import os
import sys
import sysconfig
from importlib import import_module
from importlib.util import LazyLoader, find_spec, module_from_spec
from pathlib import Path
from types import ModuleType

import pytest

from corn_core.reloading.files import ImportClock, expand, files_of, is_library, module_files


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on the search path, and modules that are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "modules", sys.modules.copy())
    return tmp_path


def error_of(module: str) -> BaseException:
    with pytest.raises(Exception) as caught:
        import_module(module)
    return caught.value


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/srv/app/views.py", False),
        ("/srv/site-packages-of-mine/views.py", False),
        ("/srv/.venv/lib/python3.11/site-packages/flask/app.py", True),
        ("/usr/lib/python3/dist-packages/apt/cache.py", True),
        (os.path.join(sysconfig.get_path("stdlib"), "json", "decoder.py"), True),
        (os.__file__, True),
    ],
)
def test_libraries(path: str, expected: bool) -> None:
    assert is_library(path) is expected


def test_modules_and_their_files(package: Path) -> None:
    (package / "mine_one.py").write_text("")
    before = frozenset(sys.modules) - {"json", "sys"}
    import_module("mine_one")
    sys.modules["no_file"] = ModuleType("no_file")
    sys.modules["odd"] = 5  # type: ignore[assignment]
    assert module_files(before) == {"mine_one": str(package / "mine_one.py")}
    assert module_files()["mine_one"] == str(package / "mine_one.py")
    assert module_files(before | {"mine_one"}) == {}


def test_lazy_module_stays_lazy(package: Path) -> None:
    (package / "mine_lazy.py").write_text("raise RuntimeError('imported')")
    spec = find_spec("mine_lazy")
    assert spec is not None and spec.loader is not None
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    before = frozenset(sys.modules)
    sys.modules["mine_lazy"] = module
    assert module_files(before) == {"mine_lazy": str(package / "mine_lazy.py")}


def test_file_of_a_syntax_error_and_those_that_import_it(package: Path) -> None:
    (package / "mine_outer.py").write_text("import mine_broken")
    (package / "mine_broken.py").write_text("def (:")
    found = files_of(error_of("mine_outer"))
    assert {str(package / "mine_outer.py"), str(package / "mine_broken.py")} <= found


def test_errors_that_led_to_the_error(package: Path) -> None:
    (package / "mine_cause.py").write_text("1 / 0")
    (package / "mine_effect.py").write_text(
        "try:\n  import mine_cause\nexcept ZeroDivisionError as e:\n"
        "  raise ExceptionGroup('both', [ValueError()]) from e"
    )
    found = files_of(error_of("mine_effect"))
    assert {str(package / "mine_cause.py"), str(package / "mine_effect.py")} <= found


def test_places_of_a_missing_module(package: Path) -> None:
    (package / "mine_package").mkdir()
    (package / "mine_package" / "__init__.py").write_text("from mine_package.gone import x")
    found = files_of(error_of("mine_package"))
    assert str(package / "mine_package" / "gone.py") in found
    assert str(package / "mine_package" / "gone" / "__init__.py") in found
    assert str(package / "gone.py") not in found


def test_module_that_lacks_a_name(package: Path) -> None:
    (package / "mine_poor.py").write_text("")
    (package / "mine_user.py").write_text("from mine_poor import wealth")
    assert str(package / "mine_poor.py") in files_of(error_of("mine_user"))


def test_code_without_a_file_is_left_out() -> None:
    with pytest.raises(SyntaxError) as caught:
        compile("def (:", "<string>", "exec")
    assert not any(path.startswith("<") for path in files_of(caught.value))
    assert not any(is_library(path) for path in files_of(caught.value))


def test_patterns(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    deep, wrong = tmp_path / "a" / "b" / "deep.html", tmp_path / "a" / "other.txt"
    for path in (deep, wrong):
        path.write_text("")
    assert expand([f"{tmp_path}/**/*.html"]) == {str(deep)}
    assert expand([f"{tmp_path}/**"]) == {str(deep), str(wrong)}, "and no directories"
    assert expand([f"{tmp_path}/nothing*", "/no/such"]) == {"/no/such"}


def test_clock_notes_and_finds_nothing() -> None:
    clock = ImportClock()
    assert clock.find_spec("some.module") is None  # type: ignore[func-returns-value]
    assert list(clock.asked) == ["some.module"]
