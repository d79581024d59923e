"""Throw-away distributions: real metadata and real modules, in a directory of one test's own."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator, Mapping
from importlib.metadata import MetadataPathFinder
from pathlib import Path

import pytest
from stevedore import ExtensionManager

from corn_core.extensions.entrypoints import GROUPS


class Site:
    """A directory of installed distributions, the only one that entry points are found in."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def install(
        self,
        distribution: str,
        entry_points: Mapping[str, Mapping[str, str]],
        modules: Mapping[str, str] | None = None,
        version: str = "1.2",
    ) -> None:
        """Write a distribution as an installer does: its metadata and its modules."""
        info = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(metadata)
        lines = []
        for group, names in entry_points.items():
            lines += [f"[{group}]", *(f"{name} = {value}" for name, value in names.items())]
        (info / "entry_points.txt").write_text("\n".join(lines))
        for name, source in (modules or {}).items():
            (self.path / f"{name}.py").write_text(source)

    def plugin(self, name: str, source: str, version: str = "1.2") -> None:
        """Install corn-NAME with one plugin of that name, made of the source."""
        module = f"corn_{name}_plugin"
        self.install(
            f"corn-{name}", {"corn.plugins": {name: module}}, {module: source}, version=version
        )


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """An empty site; what else is installed cannot be seen, nor can an earlier test's site."""
    path = tmp_path / "site"
    path.mkdir()
    # The standard library stays, since some of it is imported late; site-packages
    # go, and with them every distribution that the tests happen to run beside.
    library = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    library |= {entry for entry in sys.path if Path(entry).name == "lib-dynload"}
    stays = [entry for entry in sys.path if entry in library]
    monkeypatch.setattr(sys, "path", [str(path), *stays])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    modules = set(sys.modules)
    _forget_scan()
    yield Site(path)
    _forget_scan()
    for name in set(sys.modules) - modules:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(path)):
            del sys.modules[name]


def _forget_scan() -> None:
    # What importlib remembers of an archive keeps it open.
    MetadataPathFinder().invalidate_caches()
    for group in GROUPS:
        ExtensionManager.ENTRY_POINT_CACHE.pop(group, None)
