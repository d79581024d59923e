"""The core's hints about other distributions match what these declare."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint

import pytest

from corn_core.extensions import hints
from corn_core.extensions.entrypoints import LOADERS, LOGGERS, PLUGINS, RELOADERS, WORKERS
from corn_core.extensions.manager import load_plugins
from tests.contract.pages import ROOT

MANIFESTS = [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]

AUTO = {"core"}
"""Entry points that no user asks for by name."""


def declared(group: str) -> dict[str, tuple[str, str]]:
    """Return our distributions' entry points: by name, the distribution and the target."""
    found = {}
    for manifest in MANIFESTS:
        project = tomllib.loads(manifest.read_text())["project"]
        for name, target in project.get("entry-points", {}).get(group, {}).items():
            found[name] = project["name"], target
    return found


@pytest.mark.parametrize(
    ("group", "table"),
    [
        (WORKERS, hints.WORKERS),
        (LOGGERS, hints.LOGGERS),
        (LOADERS, hints.LOADERS),
        (RELOADERS, hints.RELOADERS),
    ],
)
def test_drivers(group: str, table: dict[str, str]) -> None:
    assert table == {name: owner for name, (owner, _) in declared(group).items()}


def test_variables_of_plugins() -> None:
    owners = {"NOTIFY_SOCKET": "corn-systemd"}
    assert owners == hints.VARIABLES
    for name, owner in owners.items():
        (target,) = (target for found, target in declared(PLUGINS).values() if found == owner)
        assert name in EntryPoint(owner, target, PLUGINS).load().VARIABLES


def test_settings_and_flags_of_plugins() -> None:
    options: dict[str, str] = {}
    for name, (owner, target) in declared(PLUGINS).items():
        if name in AUTO:
            continue
        plugin = EntryPoint(name, target, PLUGINS).load()
        for setting in getattr(plugin, "corn_settings", tuple)():
            options |= dict.fromkeys((setting.name, *setting.flags), owner)
    assert options
    assert options == hints.OPTIONS


@pytest.mark.parametrize("name", sorted(hints.GUNICORN & hints.OPTIONS.keys()))
def test_setting_of_an_installed_plugin_is_not_called_gunicorns(name: str) -> None:
    assert load_plugins().explain(name, "auto") == []
