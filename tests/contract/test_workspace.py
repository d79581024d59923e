"""The lists of plugins in pyproject.toml name every plugin: what is not listed is not checked."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.contract import pages

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml"))
# Those without an entry point are libraries that other plugins require, and have no extra.
NAMED = [
    name
    for name in PLUGINS
    if "entry-points" in (ROOT / "plugins" / name / "pyproject.toml").read_text()
]
PACKAGES = [name.replace("-", "_") for name in PLUGINS]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
TOOL = PROJECT["tool"]

TESTS = [*ROOT.glob("plugins/*/tests"), *ROOT.glob("examples/plugins/*/tests")]
LINKS = {path.name: path.resolve() for path in (ROOT / ".types").iterdir()}
"""The tests of plugins as mypy sees them: as packages with names of their own."""

LISTS: dict[str, tuple[Iterable[object], Iterable[object]]] = {
    "extras": (
        PROJECT["project"]["optional-dependencies"],
        [name.removeprefix("corn-") for name in NAMED],
    ),
    "uv": (TOOL["uv"]["sources"], PLUGINS),
    "ruff": (TOOL["ruff"]["lint"]["isort"]["known-first-party"], PACKAGES),
    "mypy": (
        TOOL["mypy"]["files"],
        [".types", "examples", *(f"plugins/{name}/src" for name in PLUGINS)],
    ),
    "links in .types": (
        LINKS.items(),
        [(f"{path.parent.name.replace('-', '_')}_tests", path) for path in TESTS],
    ),
    "mypy_path": (TOOL["mypy"]["mypy_path"], [f"plugins/{name}/src" for name in PLUGINS]),
    "coverage": (TOOL["coverage"]["run"]["source_pkgs"], PACKAGES),
    "tox": (
        TOOL["tox"]["env_run_base"]["deps"],
        [f"-e ./plugins/{name}" for name in PLUGINS],
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_every_plugin_is_listed(name: str) -> None:
    listed, wanted = LISTS[name]
    assert set(wanted) - set(listed) == set()


def test_no_link_leads_nowhere() -> None:
    assert {path for path in LINKS.values() if path not in TESTS} == set()


# -- what the package index shows ----------------------------------------------------

SOURCES = [ROOT, *(ROOT / "plugins" / name for name in PLUGINS)]
MINORS = {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_index_is_told_what_a_distribution_is(source: Path) -> None:
    project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
    assert {*project["classifiers"]} >= MINORS
    assert len(project["keywords"]) >= 4
    if source != ROOT:
        assert project["urls"] == {"The server": "https://pypi.org/project/corn-core/"}


@pytest.mark.parametrize("name", PLUGINS)
def test_readme_of_a_plugin_stands_on_its_own(name: str) -> None:
    text = (ROOT / "plugins" / name / "README.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert "corn is a pre-fork server for Python web applications on UNIX" in text
    # The index shows the page without the repository.
    assert [link for link in pages.links(text) if "://" not in link] == []
