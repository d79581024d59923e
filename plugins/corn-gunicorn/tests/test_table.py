"""The table of Gunicorn's settings, beside what corn declares and what the core knows of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from corn_core.assemble import registry_of
from corn_core.extensions.hints import GUNICORN
from corn_core.extensions.manager import load_plugins
from corn_core.hookspecs import HOOKS as OUR_HOOKS
from corn_gunicorn.explain import explain
from corn_gunicorn.table import HOOKS, SETTINGS, Known

REGISTRY = registry_of(load_plugins())
PLUGINS = Path(__file__).parents[2]


def installed(row: Known) -> bool:
    """Tell whether the distribution that declares a setting is there."""
    package = row.plugin.replace("-", "_")
    return not row.plugin or importlib.util.find_spec(package) is not None


CARRIED = [row for row in SETTINGS if row.carried and installed(row)]
LOST = [row for row in (*SETTINGS, *HOOKS) if not row.carried]


def by_name(row: Known) -> str:
    return row.name


def test_what_is_carried_over_is_there() -> None:
    for row in CARRIED:
        assert set(row.flags) <= set(REGISTRY[row.name].flags), row.name
    assert len(CARRIED) > 50


def test_hooks_that_are_carried_over_are_there() -> None:
    carried = {row.name for row in HOOKS if row.carried}
    assert {name for name in carried if not OUR_HOOKS[name].in_config_file} == set()


def test_the_core_knows_the_names_of_all_that_is_lost() -> None:
    names = {row.name for row in LOST}
    flags = {flag.lstrip("-").replace("-", "_") for row in LOST for flag in row.flags}
    of_asgi = {row.name for row in SETTINGS if row.plugin == "corn-asgi"}
    assert names | flags | of_asgi == GUNICORN


@pytest.mark.parametrize("row", LOST, ids=by_name)
def test_what_is_lost_is_not_there_and_is_explained(row: Known) -> None:
    assert row.name not in REGISTRY and row.name not in OUR_HOOKS
    assert not set(row.flags) & set(REGISTRY.flags())
    assert row.text and row.instead
    value = row.matters[0] if row.matters else "something"
    for name in (row.name, *row.flags):
        (found,) = explain(name, value)
        takes = name in row.flags and row.takes_argument
        harmless = name in row.flags and not row.takes_argument and True in row.harmless
        assert found.level == ("fine" if harmless else row.level)
        assert found.takes_argument == takes
        assert row.text in found.text and found.instead == row.instead
    # Nothing is said of values that change nothing.
    for value in (None, False, "", [], *row.harmless):
        assert [each.level for each in explain(row.name, value)] == ["fine"]


@pytest.mark.parametrize(
    ("name", "value", "advice"),
    [
        ("header_map", "dangerous", "'keep' is the nearest"),
        ("header_map", " Dangerous", "'keep' is the nearest"),
        ("--header-map", "dangerous", "'keep' is the nearest"),
        ("reload_engine", "inotify", "corn-watchfiles"),
    ],
)
def test_values_that_corn_does_not_have(name: str, value: str, advice: str) -> None:
    (found,) = explain(name, value)
    assert found.level == "error" and advice in found.instead


@pytest.mark.parametrize(
    ("name", "value"), [("workers", 3), ("shop", "x"), ("header_map", "drop"), ("--bind", "x")]
)
def test_nothing_is_said_of_anything_else(name: str, value: object) -> None:
    assert explain(name, value) == []
