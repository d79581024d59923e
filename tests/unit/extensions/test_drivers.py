"""Names of drivers, and what is said when there is none of that name."""

from __future__ import annotations

import re
from collections import OrderedDict

import pytest

from corn_core.errors import ExtensionError
from corn_core.extensions import drivers
from corn_core.extensions.drivers import (
    find_app_loader,
    find_logger_class,
    find_reload_engine,
    find_worker_class,
    name_of_worker,
)
from corn_core.extensions.entrypoints import entry_points
from tests.unit.extensions.conftest import Site

WORKER = "class Worker:\n    class Inner: pass\n"


def install_worker(site: Site, name: str, source: str = WORKER) -> None:
    """Install corn-NAME with a worker of that name."""
    module = f"corn_{name}_worker"
    groups = {"corn.workers": {name: f"{module}:Worker"}}
    site.install(f"corn-{name}", groups, {module: source})


def refusal(name: object) -> str:
    with pytest.raises(ExtensionError) as caught:
        find_worker_class(name)
    return str(caught.value)


def test_installed_worker_is_found_by_name(site: Site) -> None:
    install_worker(site, "sync")
    install_worker(site, "broken", "raise RuntimeError('must not be imported')")
    found = find_worker_class("sync")
    assert (found.__module__, found.__name__) == ("corn_sync_worker", "Worker")


def test_each_kind_has_a_group_of_its_own(site: Site) -> None:
    groups = {"corn.loggers": {"x": "things:Logger"}, "corn.loaders": {"x": "things:Loader"}}
    site.install("corn-x", groups, {"things": "class Logger: pass\nclass Loader: pass"})
    assert find_logger_class("x").__name__ == "Logger"
    assert find_app_loader("x").__name__ == "Loader"
    with pytest.raises(ExtensionError):
        find_worker_class("x")


@pytest.mark.parametrize(
    "path", ["things:Worker", "things.Worker", "package.inside.Worker", "package.inside:Worker"]
)
def test_import_paths(site: Site, path: str) -> None:
    (site.path / "things.py").write_text(WORKER)
    (site.path / "package").mkdir()
    (site.path / "package" / "inside.py").write_text(WORKER)
    assert find_worker_class(path).__name__ == "Worker"


def test_import_path_with_attributes(site: Site) -> None:
    (site.path / "things.py").write_text(WORKER)
    assert find_worker_class("things:Worker.Inner").__name__ == "Inner"


def test_class_is_taken_as_it_is() -> None:
    assert find_worker_class(OrderedDict) is OrderedDict


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("sync", "sync"),
        ("alias", "alias"),
        ("other", "sync"),
        ("egg:corn-sync#sync", "sync"),
        ("corn_sync_worker.Worker", "sync"),
        (OrderedDict, "sync"),
    ],
)
def test_name_of_an_installed_worker(site: Site, given: object, name: str) -> None:
    install_worker(site, "sync")
    install_worker(site, "other")
    groups = {"corn.workers": {"alias": "corn_sync_worker:Worker"}}
    site.install("corn-alias", groups, {})
    assert name_of_worker(given, find_worker_class("sync")) == name


def test_name_of_a_worker_that_is_not_installed(site: Site) -> None:
    install_worker(site, "sync")
    assert name_of_worker("collections.OrderedDict", OrderedDict) == "collections.OrderedDict"
    assert name_of_worker(OrderedDict, OrderedDict) == "OrderedDict"


@pytest.mark.parametrize("egg", ["egg:corn-sync#sync", "egg:Corn_Sync#sync", "egg:corn.sync#sync"])
def test_egg_names_the_distribution_too(site: Site, egg: str) -> None:
    install_worker(site, "sync")
    assert find_worker_class(egg).__name__ == "Worker"


def test_egg_without_a_name_means_main(site: Site) -> None:
    groups = {"corn.workers": {"main": "mine:Worker"}}
    site.install("mine", groups, {"mine": WORKER})
    assert find_worker_class("egg:mine").__name__ == "Worker"


def test_egg_of_another_distribution(site: Site) -> None:
    install_worker(site, "gevent")
    egg = (
        "worker class 'egg:gunicorn#gevent': gunicorn has no 'gevent'; did you mean"
        " 'egg:corn-gevent#gevent'?"
    )
    assert refusal("egg:gunicorn#gevent") == egg
    egg = "worker class 'egg:corn-gevent#gvent': corn-gevent has no 'gvent'; did you mean 'gevent'?"
    assert refusal("egg:corn-gevent#gvent") == egg
    egg = "worker class 'egg:absent#nothing': absent has no 'nothing'"
    assert refusal("egg:absent#nothing") == egg


def test_known_worker_that_is_not_installed(site: Site) -> None:
    install_worker(site, "sync")
    install_worker(site, "gthread")
    assert refusal("gevent") == (
        "worker class 'gevent' is not installed; pip install corn-gevent"
        " (installed workers: gthread, sync)"
    )


def test_the_only_worker_is_offered(site: Site) -> None:
    install_worker(site, "gthread")
    assert refusal("sync") == (
        "worker class 'sync' is not installed; pip install corn-sync, or take the installed one:"
        " -k gthread (installed workers: gthread)"
    )


def test_no_worker_at_all(site: Site) -> None:
    assert refusal("sync") == "no worker is installed; pip install corn-sync"
    assert refusal("gevent") == (
        "worker class 'gevent' is not installed; pip install corn-gevent (no worker is installed)"
    )
    assert refusal("mine") == (
        "worker class 'mine' is not known (no worker is installed; pip install corn-sync)"
    )


def test_misspelt_worker(site: Site) -> None:
    install_worker(site, "sync")
    assert refusal("snyc") == (
        "worker class 'snyc' is not known; did you mean 'sync'? (installed workers: sync)"
    )
    assert refusal("gevnet") == (
        "worker class 'gevnet' is not known; did you mean 'gevent'? (installed workers: sync)"
    )
    assert refusal("xyzzy") == "worker class 'xyzzy' is not known (installed workers: sync)"


def test_worker_in_a_misspelt_group(site: Site) -> None:
    site.install("corn-mine", {"corn.worker": {"mine": "mine:Worker"}})
    assert refusal("mine") == (
        "worker class 'mine' is not known; corn-mine 1.2 has it in the entry-point group"
        " 'corn.worker', which corn does not use (no worker is installed; pip install corn-sync)"
    )


def test_missing_logger_and_loader_are_called_what_they_are(site: Site) -> None:
    with pytest.raises(ExtensionError) as caught:
        find_logger_class("statsd")
    assert str(caught.value).startswith(
        "logger class 'statsd' is not installed; pip install corn-statsd"
    )
    with pytest.raises(ExtensionError) as caught:
        find_app_loader("paste")
    assert str(caught.value).startswith(
        "app loader 'paste' is not installed; pip install corn-paste"
    )


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("assert False, 'why'", "AssertionError: why"),
        ("raise SystemExit(1)", "SystemExit: 1"),
        ("", "AttributeError: module 'corn_gevent_worker' has no attribute 'Worker'"),
    ],
)
def test_installed_worker_that_cannot_be_imported(site: Site, source: str, reason: str) -> None:
    install_worker(site, "gevent", source)
    with pytest.raises(ExtensionError) as caught:
        find_worker_class("gevent")
    assert str(caught.value) == (
        f"worker class 'gevent' of corn-gevent 1.2 cannot be loaded: {reason}"
    )
    assert caught.value.__cause__ is not None
    egg = refusal("egg:corn-gevent#gevent")
    assert egg.startswith("worker class 'gevent' of corn-gevent 1.2 cannot be loaded: ")


def test_traceback_of_a_worker_shows_its_own_frames_only(site: Site) -> None:
    install_worker(site, "deep", "def fail():\n    raise RuntimeError('no')\nfail()\n")
    with pytest.raises(ExtensionError) as caught:
        find_worker_class("deep")
    files = re.findall(r'File "(.*)", line', caught.value.details)
    assert files == [str(site.path / "corn_deep_worker.py")] * 2


def test_two_distributions_with_one_name(site: Site) -> None:
    for owner in ("first", "second"):
        groups = {"corn.workers": {"fast": f"{owner}:Worker"}}
        site.install(owner, groups, {owner: f"{WORKER}    owner = {owner!r}"})
    text = refusal("fast")
    assert "worker class 'fast' is in both " in text
    assert "egg:first#fast" in text
    assert "egg:second#fast" in text
    assert find_worker_class("egg:second#fast").owner == "second"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("no_such:Worker", "ModuleNotFoundError: No module named 'no_such'"),
        ("no_such.Worker", "ModuleNotFoundError: No module named 'no_such'"),
        (
            "uvicorn_worker.Mine",
            "ModuleNotFoundError: No module named 'uvicorn_worker'; corn serves ASGI applications"
            " without it: pip install corn-asgi, and worker_class = 'asgi'",
        ),
        ("things:Wroker", "things has no 'Wroker'; did you mean 'Worker'?"),
        ("things:Worker.Outer", "things has no 'Outer'"),
        ("things:", "things has no ''"),
        (".Worker", "not a path of the form package.module:Class"),
        ("..Worker", "not a path of the form package.module:Class"),
        (":Worker", "not a path of the form package.module:Class"),
    ],
)
def test_bad_import_path(site: Site, path: str, reason: str) -> None:
    (site.path / "things.py").write_text(WORKER)
    assert refusal(path) == f"worker class {path!r}: {reason}"


def test_name_with_a_dot_may_be_an_entry_point(site: Site) -> None:
    site.install("dotted", {"corn.workers": {"my.fast": "dotted:Worker"}}, {"dotted": WORKER})
    assert find_worker_class("my.fast").__module__ == "dotted"


def test_worker_that_was_installed_while_the_server_ran_is_found(site: Site) -> None:
    install_worker(site, "sync")
    find_worker_class("sync")
    install_worker(site, "gthread")
    assert [each.name for each in entry_points("corn.workers")] == ["sync"]
    assert find_worker_class("gthread").__name__ == "Worker"


def test_defaults_of_the_settings_are_drivers_of_the_core_or_of_corn_sync() -> None:
    defaults = {each.name: each.default for each in drivers.SETTINGS}
    assert defaults == {"worker_class": "sync", "logger_class": "simple", "app_loader": "auto"}


def install_engines(site: Site, **engines: str) -> None:
    """Install distributions with a reload engine each."""
    for name, module in engines.items():
        groups = {"corn.reloaders": {name: f"{module}:Engine"}}
        site.install(f"corn-{name}", groups, {module: "class Engine: pass"})


def test_auto_takes_an_engine_other_than_polling(site: Site) -> None:
    install_engines(site, poll="polling", zebra="zebras", events="events")
    assert find_reload_engine("auto").__module__ == "events"
    assert find_reload_engine("poll").__module__ == "polling"


def test_auto_polls_when_there_is_nothing_else(site: Site) -> None:
    install_engines(site, poll="polling_alone")
    assert find_reload_engine("auto").__module__ == "polling_alone"


def test_known_reload_engine_that_is_not_installed(site: Site) -> None:
    install_engines(site, poll="polling_only")
    with pytest.raises(ExtensionError) as caught:
        find_reload_engine("watchfiles")
    assert str(caught.value) == (
        "reload engine 'watchfiles' is not installed; pip install corn-watchfiles"
        " (installed reload engines: poll)"
    )
