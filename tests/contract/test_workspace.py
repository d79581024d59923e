"""The lists of plugins in pyproject.toml name every plugin: what is not listed is not checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
from hatchling.build import prepare_metadata_for_build_wheel

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


@pytest.fixture
def description(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page of a distribution on the package index, from what its wheel would contain."""
    monkeypatch.chdir(source)
    metadata = tmp_path / prepare_metadata_for_build_wheel(str(tmp_path)) / "METADATA"
    message = message_from_string(metadata.read_text())
    assert message["Description-Content-Type"] == "text/markdown"
    return str(message.get_payload())


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_every_link_on_the_index_leads_somewhere(description: str) -> None:
    # Pictures too; the index knows none of the files beside the README.
    targets = re.findall(r"\]\(([^)]*)\)|(?:src|href)=\"([^\"]*)", description)
    assert [target for target in map("".join, targets) if "://" not in target] == []


@pytest.mark.parametrize("source", [ROOT], ids=["corn-core"])
def test_index_shows_the_whole_text_of_the_readme(description: str) -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(pages.links(readme)) > 20
    assert pages.headings(description) == pages.headings(readme)
    for text in re.findall(r"(?<!!)\[([^\]]+)\]\(", readme):
        assert text in description


def test_readme_names_every_distribution() -> None:
    named = re.findall(r"^\| `(corn-[\w-]+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(named) == sorted(["corn-core", *NAMED])


@pytest.mark.parametrize("name", PLUGINS)
def test_readme_of_a_plugin_stands_on_its_own(name: str) -> None:
    text = (ROOT / "plugins" / name / "README.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert "corn is a pre-fork server for Python web applications on UNIX" in text
