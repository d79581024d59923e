"""Find entry points: which, how often they are looked for, and what loads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from stevedore import ExtensionManager

from corn_core.extensions.drivers import find_worker_class
from corn_core.extensions.entrypoints import GROUPS, PLUGINS, WORKERS, entry_points
from tests.unit.extensions.conftest import Site


def names(group: str) -> list[str]:
    return [each.name for each in entry_points(group)]


def test_environment_of_these_tests() -> None:
    found = {name for group in GROUPS for name in names(group)}
    assert {"core", "sync", "simple", "wsgi", "poll"} <= found


def test_order_is_that_of_the_path_and_the_first_of_a_distribution_counts(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Site(site.path / "other")
    other.path.mkdir()
    monkeypatch.setattr(sys, "path", [sys.path[0], str(other.path), *sys.path[1:]])
    other.install("corn-x", {WORKERS: {"hidden": "things:A"}}, version="2")
    other.install("corn-b", {WORKERS: {"b": "things:B"}})
    site.install("corn-x", {WORKERS: {"a": "things:A"}, PLUGINS: {"x": "things"}}, version="1")
    assert names(WORKERS) == ["a", "b"]
    assert names(PLUGINS) == ["x"]


def archive(directory: Path) -> Path:
    """Make a zip file with a distribution and its module in it."""
    path = directory / "zipped.zip"
    with ZipFile(path, "w") as file:
        file.writestr("corn_zip-1.dist-info/METADATA", "Name: corn-zip\nVersion: 1\n")
        file.writestr(
            "corn_zip-1.dist-info/entry_points.txt", "[corn.workers]\nzipped = zipped_worker:Worker"
        )
        file.writestr("zipped_worker.py", "class Worker: pass")
    return path


def test_worker_in_an_archive(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("corn-a", {WORKERS: {"a": "things:A"}}, {"things": "class A: pass"})
    monkeypatch.setattr(sys, "path", [str(archive(site.path)), *sys.path])
    assert find_worker_class("zipped").__module__ == "zipped_worker"
    assert find_worker_class("a").__module__ == "things"
    assert names(WORKERS) == ["zipped", "a"]
    monkeypatch.delitem(sys.modules, "zipped_worker")


def test_stevedore_looks_where_the_entry_points_are_listed(site: Site) -> None:
    site.install("corn-a", {WORKERS: {"a": "things:A"}})
    assert entry_points(WORKERS) is ExtensionManager.ENTRY_POINT_CACHE[WORKERS]


def test_name_that_was_not_found_is_looked_for_again(site: Site) -> None:
    site.install("corn-a", {WORKERS: {"a": "things:A"}}, {"things": "class A: pass"})
    assert names(WORKERS) == ["a"]
    site.install("corn-b", {WORKERS: {"b": "things:A"}})
    assert names(WORKERS) == ["a"]
    assert find_worker_class("b").__module__ == "things"
    assert sorted(names(WORKERS)) == ["a", "b"]


FRESH = """
import importlib.metadata
from corn_core.extensions.drivers import find_worker_class
from corn_core.extensions.manager import load_plugins
plugins = load_plugins()
def refuse(*path, **wanted):
    raise AssertionError("scanned twice")
importlib.metadata.entry_points = refuse
print(find_worker_class("toy").__name__)
print(*(str(each) for each in plugins.failures), end="")
"""

TOY = """
import sys
caller = sys._getframe()
while caller and "stevedore" not in caller.f_code.co_filename:
    caller = caller.f_back
assert caller, "stevedore has not loaded this"
class Toy: pass
"""


def test_fresh_process_scans_once_and_stevedore_loads_without_a_cache(tmp_path: Path) -> None:
    site = Site(tmp_path / "site")
    site.path.mkdir()
    groups = {PLUGINS: {"toy": "toy_plugin"}, WORKERS: {"toy": "toy_worker:Toy"}}
    site.install("corn-toy", groups, {"toy_plugin": "", "toy_worker": TOY})
    cache = tmp_path / "cache"
    path = os.pathsep.join([str(site.path), *sys.path])
    environ = {**os.environ, "PYTHONPATH": path, "XDG_CACHE_HOME": str(cache)}
    command = [sys.executable, "-W", "error", "-c", FRESH]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("Toy\n", "")
    assert not cache.exists()
