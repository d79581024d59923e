"""The two ways of looking for entry points, and which of them is taken."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from stevedore import ExtensionManager

from corn_core.extensions.drivers import find_worker_class
from corn_core.extensions.entrypoints import GROUPS, WORKERS, entry_points
from corn_core.extensions.scan import ScannedEntryPoint, plain_scan
from tests.unit.extensions.conftest import Site

Facts = dict[str, list[tuple[str, str, str, str, str]]]


def facts(found: Mapping[str, Iterable[Any]]) -> Facts:
    """All that corn looks at, in the order in which it was found."""
    return {
        group: [(e.name, e.value, e.group, e.dist.name, e.dist.version) for e in found[group]]
        for group in GROUPS
    }


def standard() -> Facts:
    importlib.invalidate_caches()
    found = importlib.metadata.entry_points()
    return facts({group: found.select(group=group) for group in GROUPS})


def plain() -> Facts:
    found = plain_scan(GROUPS)
    assert found is not None
    return facts(found)


def names(found: Facts) -> set[str]:
    return {name for group in found.values() for name, *_ in group}


def test_environment_of_these_tests() -> None:
    assert plain() == standard()
    assert {"core", "sync", "simple", "wsgi"} <= names(plain())


A = "[corn.workers]\na = things:A\n"
B = "[corn.workers]\nb = things:B\n"

# What there is in the two directories first and second of sys.path, and which names are found.
ORDINARY: dict[str, tuple[dict[str, str], set[str]]] = {
    "nothing": ({}, set()),
    "one": ({"first/corn_a-1.dist-info/entry_points.txt": A}, {"a"}),
    "one in each": (
        {
            "first/corn_a-1.dist-info/entry_points.txt": A,
            "second/corn_b-1.dist-info/entry_points.txt": B,
        },
        {"a", "b"},
    ),
    "the first of a name": (
        {
            "first/corn_x-1.dist-info/entry_points.txt": A,
            "second/corn_x-2.dist-info/entry_points.txt": B,
        },
        {"a"},
    ),
    "the first of a name, without entry points": (
        {
            "first/corn_x-1.dist-info/RECORD": "",
            "second/corn_x-2.dist-info/entry_points.txt": B,
        },
        set(),
    ),
    "spellings of one name": (
        {
            "first/Corn___Fast.Thing-1.dist-info/entry_points.txt": A,
            "second/corn_fast_thing-2.dist-info/entry_points.txt": B,
            "second/CORN.FAST_THING-3.egg-info/entry_points.txt": B,
        },
        {"a"},
    ),
    "names that differ at their ends": (
        {
            "first/_corn_x-1.dist-info/entry_points.txt": A,
            "second/corn_x_-1.dist-info/entry_points.txt": B,
        },
        {"a", "b"},
    ),
    "a name with a dash": (
        # Only what stands before the first dash is taken for the name.
        {
            "first/corn-a-1.dist-info/entry_points.txt": A,
            "second/corn-b-1.dist-info/entry_points.txt": B,
        },
        {"a"},
    ),
    "egg-info": (
        {
            "first/corn_a-1-py3.11.egg-info/entry_points.txt": A,
            "second/corn_b.egg-info/entry_points.txt": B,
        },
        {"a", "b"},
    ),
    "egg-info that is a file": (
        {
            "first/corn_x-1.egg-info": "Metadata-Version: 1.0\nName: corn-x\n",
            "second/corn_x-2.dist-info/entry_points.txt": B,
        },
        set(),
    ),
    "a develop install": (
        {
            "first/corn_a.egg-link": "../second\n",
            "second/corn_a.egg-info/entry_points.txt": A,
        },
        {"a"},
    ),
    "what pip leaves behind": (
        {
            "first/~orn_a-1.dist-info/entry_points.txt": A,
            "first/corn_b-1.dist-info/entry_points.txt": B,
        },
        {"a", "b"},
    ),
    "an empty directory of metadata": ({"first/corn_a-1.dist-info/x/y": ""}, set()),
    "the way it is written": (
        {
            "first/corn_a-1.dist-info/entry_points.txt": (
                "ignored\r\n# [corn.workers]\r\n\r\n"
                "  [corn.workers]  \r\n\t a=things:A\r\n#b = things:B\r\n"
                "c = things : C [fast, safe]\r\nd e = things:D = 1\r\n[f =\r\n"
                "[ corn.loaders ]\ng = things\n[console_scripts]\nh = things:main\n"
                "[corn.plugins]\ni = things\n[corn.workers]\nj = things:J"
            )
        },
        {"a", "c", "d e", "[f", "i", "j"},
    ),
    "a group that is not corn's": (
        {"first/corn_a-1.dist-info/entry_points.txt": "[corn.other]\na = b\n[x]\ny = corn.z"},
        set(),
    ),
    "letters beyond ASCII": (
        {"first/corn_\N{LATIN SMALL LETTER E WITH ACUTE}-1.dist-info/entry_points.txt": A},
        {"a"},
    ),
}


def lay_out(site: Site, files: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Put files into two directories of ``sys.path``, with metadata for each distribution."""
    for name, text in files.items():
        path = site.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.name == "entry_points.txt":
            own, _, version = path.parent.stem.partition("-")
            (path.parent / "METADATA").write_text(f"Name: {own}\nVersion: {version or 0}\n")
    both = [str(site.path / directory) for directory in ("first", "second")]
    monkeypatch.setattr(sys, "path", [*both, *sys.path[1:]])


@pytest.mark.parametrize("layout", ORDINARY)
def test_ordinary_layout(site: Site, monkeypatch: pytest.MonkeyPatch, layout: str) -> None:
    files, expected = ORDINARY[layout]
    lay_out(site, files, monkeypatch)
    assert plain() == standard()
    assert names(plain()) == expected


def test_versions_of_one_distribution_in_one_directory(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The order of a directory is the file system's; many of them, lest it be right by chance.
    files = {
        f"first/corn_x-{version}.dist-info/entry_points.txt": f"[corn.workers]\nx{version} = x\n"
        for version in range(20)
    }
    lay_out(site, files, monkeypatch)
    assert plain() == standard()
    assert len(names(plain())) == 1


def test_working_directory_on_the_path(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("corn-a", {WORKERS: {"a": "things:A"}})
    monkeypatch.chdir(site.path)
    monkeypatch.setattr(sys, "path", ["", *sys.path[1:]])
    assert plain() == standard()
    assert names(plain()) == {"a"}


def archive(directory: Path) -> Path:
    """A zip file with a distribution and its module in it."""
    path = directory / "zipped.zip"
    with ZipFile(path, "w") as file:
        file.writestr("corn_zip-1.dist-info/METADATA", "Name: corn-zip\nVersion: 1\n")
        file.writestr(
            "corn_zip-1.dist-info/entry_points.txt", "[corn.workers]\nzipped = zipped_worker:Worker"
        )
        file.writestr("zipped_worker.py", "class Worker: pass")
    return path


def test_archive_on_the_path_takes_the_general_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.install("corn-a", {WORKERS: {"a": "things:A"}}, {"things": "class A: pass"})
    monkeypatch.setattr(sys, "path", [str(archive(site.path)), *sys.path])
    assert plain_scan(GROUPS) is None
    assert find_worker_class("zipped").__module__ == "zipped_worker"
    assert find_worker_class("a").__module__ == "things"
    assert [each.name for each in entry_points(WORKERS)] == ["zipped", "a"]
    assert ExtensionManager.ENTRY_POINT_CACHE[WORKERS] == entry_points(WORKERS)
    monkeypatch.delitem(sys.modules, "zipped_worker")


class Finder:
    """A finder of distributions, as the backport of importlib.metadata installs one."""

    @staticmethod
    def find_spec(*_: object) -> None: ...

    @staticmethod
    def find_distributions(*_: object) -> Iterable[importlib.metadata.Distribution]:
        return ()


UNUSUAL: dict[str, dict[str, str]] = {
    "a file on the path": {"first": ""},
    "a line without a value": {"first/a-1.dist-info/entry_points.txt": "[corn.workers]\na\n"},
    "no UTF-8": {"first/a-1.dist-info/entry_points.txt": "[corn.workers]\n\udcff = b\n"},
    "upper case": {"first/corn_a-1.DIST-INFO/entry_points.txt": A},
    "no name": {"first/-1.dist-info/entry_points.txt": A},
    "a directory for a file": {"first/a-1.dist-info/entry_points.txt/x": ""},
}


@pytest.mark.parametrize("layout", UNUSUAL)
def test_unusual_layout_is_left_to_the_general_way(
    site: Site, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    for name, text in UNUSUAL[layout].items():
        path = site.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode(errors="surrogateescape"))
    monkeypatch.setattr(sys, "path", [str(site.path / "first"), *sys.path[1:]])
    assert plain_scan(GROUPS) is None


def test_egg_is_left_to_the_general_way(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    egg = site.path / "corn_a-1-py3.11.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Name: corn-a\nVersion: 1\n")
    (egg / "EGG-INFO" / "entry_points.txt").write_text(A)
    monkeypatch.setattr(sys, "path", [str(egg), *sys.path])
    assert plain_scan(GROUPS) is None
    assert [each.name for each in entry_points(WORKERS)] == ["a"]


def test_finder_of_distributions_is_left_to_the_general_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert plain_scan(GROUPS) is not None
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert plain_scan(GROUPS) is None


def test_path_that_is_no_text_is_left_to_the_general_way(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [site.path, *sys.path[1:]])
    assert plain_scan(GROUPS) is None


def test_name_that_was_not_found_is_looked_for_the_general_way(site: Site) -> None:
    site.install("corn-a", {WORKERS: {"a": "things:A"}}, {"things": "class A: pass"})
    assert [type(each) for each in entry_points(WORKERS)] == [ScannedEntryPoint]
    site.install("corn-b", {WORKERS: {"b": "things:A"}})
    assert find_worker_class("b").__module__ == "things"
    found = sorted(entry_points(WORKERS), key=lambda each: each.name)
    assert [(each.name, type(each)) for each in found] == [
        ("a", importlib.metadata.EntryPoint),
        ("b", importlib.metadata.EntryPoint),
    ]


MODULE = "class A:\n    class B: ...\n"


@pytest.mark.parametrize(
    "value",
    [
        *("mod", "mod:A", "mod:A.B", "mod : A", "mod:A [fast]", "mod[fast,safe]", "mod:A[]"),
        *("mod:C", "mod:A.C", "mod:", "mod:A.", ":A", "", "mod:A:B", "m-d:A", "no_such_mod:A"),
    ],
)
def test_loading(site: Site, value: str) -> None:
    (site.path / "mod.py").write_text(MODULE)

    def outcome(entry_point: Any) -> Any:
        try:
            return entry_point.load()
        except Exception as error:  # broad: whatever it is, it must be the same for both
            return type(error), str(error)

    scanned = ScannedEntryPoint("x", value, WORKERS, "")
    assert outcome(scanned) == outcome(importlib.metadata.EntryPoint("x", value, WORKERS))


FRESH = """
import os, sys
from corn_core.extensions.drivers import find_worker_class
from corn_core.extensions.manager import load_plugins
heavy = {"stevedore", "importlib.metadata"}
assert heavy.isdisjoint(sys.modules)
plugins = load_plugins()
def refuse(*path, **wanted):
    raise AssertionError("scanned twice")
os.listdir = refuse
if "importlib.metadata" in sys.modules:
    sys.modules["importlib.metadata"].entry_points = refuse
print(find_worker_class("toy").__name__, *sorted(heavy.intersection(sys.modules)))
print(*(str(each) for each in plugins.failures), end="")
"""


@pytest.mark.parametrize("general", [False, True], ids=["plain", "general"])
def test_fresh_process_scans_once_and_writes_no_cache(tmp_path: Path, general: bool) -> None:
    site = Site(tmp_path / "site")
    site.path.mkdir()
    groups = {"corn.plugins": {"toy": "toy_plugin"}, "corn.workers": {"toy": "toy_worker:Toy"}}
    site.install("corn-toy", groups, {"toy_plugin": "", "toy_worker": "class Toy: pass"})
    cache = tmp_path / "cache"
    more = [str(archive(tmp_path))] if general else []
    path = os.pathsep.join([str(site.path), *more, *sys.path])
    environ = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-W", "error", "-c", FRESH]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=20)
    expected = "Toy importlib.metadata stevedore\n" if general else "Toy\n"
    assert (done.stdout, done.stderr) == (expected, "")
    assert not cache.exists()
