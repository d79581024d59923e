"""Public names that are imported late, and those that are deprecated."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from corn_core.facade import Deprecated, on_demand
from corn_core.http import Limits, RequestParser


@pytest.fixture
def offering(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A public module that gives up the name Parser."""
    module = ModuleType("offering")
    vars(module)["__getattr__"] = on_demand(
        "offering",
        late={"Limits": "corn_core.http.limits:Limits"},
        deprecated={
            "Parser": Deprecated(
                "corn_core.http:RequestParser", "0.2", "use corn_core.http.RequestParser"
            )
        },
    )
    monkeypatch.setitem(sys.modules, "offering", module)
    yield


def importing(line: str) -> dict[str, object]:
    names: dict[str, object] = {}
    exec(compile(line, "of_a_plugin.py", "exec"), names)
    return names


@pytest.mark.usefixtures("offering")
def test_late_name_is_imported_without_a_warning() -> None:
    assert importing("from offering import Limits")["Limits"] is Limits


@pytest.mark.usefixtures("offering")
def test_deprecated_name_works_and_warns_where_it_is_used() -> None:
    text = r"^offering\.Parser is deprecated since corn 0\.2: use corn_core\.http\.RequestParser$"
    with pytest.warns(DeprecationWarning, match=text) as caught:
        found = importing("from offering import Parser")
    assert found["Parser"] is RequestParser
    assert {each.filename for each in caught} == {"of_a_plugin.py"}


@pytest.mark.usefixtures("offering")
def test_unknown_name_is_an_error_that_suggests_one() -> None:
    with pytest.raises(AttributeError, match=r"'offering' has no attribute 'Limit'.*Limits"):
        importing("import offering; offering.Limit")
    with pytest.raises(ImportError):
        importing("from offering import Limit")


def test_public_modules_are_light() -> None:
    heavy = ("asyncio", "ssl", "sysconfig", "corn_core.reloading.files")
    code = (
        "import sys, corn_core.plugin, corn_core.typing, corn_core.worker\n"
        f"print(*sorted(set({heavy!r}) & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []
