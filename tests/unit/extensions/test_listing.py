"""The table of what is installed."""

from __future__ import annotations

import pytest

from corn_core.extensions.listing import listing
from corn_core.extensions.manager import load_plugins
from tests.unit.extensions.conftest import Site

PLUGIN = """
import corn_core

@corn_core.hookimpl
def when_ready(server): ...

@corn_core.hookimpl
def on_starting(server): ...
"""


def rows(site: Site, disabled: tuple[str, ...] = (), columns: int | None = None) -> list[list[str]]:
    """Cut the lines of the table where its columns are."""
    text = listing(load_plugins(disabled, strict=False), columns)
    assert not any(line != line.rstrip() for line in text.splitlines())
    assert columns is None or all(len(line) <= columns for line in text.splitlines())
    found: list[list[str]] = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("  ") if cell.strip()]
        if line.startswith(" "):
            # Details that go on below.
            found[-1][-1] += f" {cells[0]}"
        else:
            found.append(cells)
    return found


@pytest.mark.parametrize("columns", [None, 100, 120])
def test_everything_is_listed_with_its_state(site: Site, columns: int | None) -> None:
    site.plugin("good", PLUGIN, version="2.0")
    site.plugin("bad", "import no_such_module")
    site.plugin("off", PLUGIN)
    site.plugin("wrong", "import corn_core\n@corn_core.hookimpl\ndef wehn_ready(server): ...")
    site.install(
        "corn-quick",
        {"corn.workers": {"quick": "quick:Worker", "slow": "quick:Slow"}},
        {"quick": "class Worker: ..."},
    )
    assert rows(site, ("off",), columns) == [
        ["distribution", "version", "group", "name", "state", "details"],
        ["corn-bad", "1.2", "corn.plugins", "bad", "fails", "ModuleNotFoundError: No module named"
         " 'no_such_module'"],
        ["corn-good", "2.0", "corn.plugins", "good", "loaded", "on_starting, when_ready"],
        ["corn-off", "1.2", "corn.plugins", "off", "disabled"],
        ["corn-wrong", "1.2", "corn.plugins", "wrong", "fails",
         "plugin 'wrong' (corn-wrong 1.2): there is no hook 'wehn_ready'; did you mean"
         " 'when_ready'?"],
        ["corn-quick", "1.2", "corn.workers", "quick", "loads"],
        ["corn-quick", "1.2", "corn.workers", "slow", "fails",
         "AttributeError: module 'quick' has no attribute 'Slow'"],
    ]  # fmt: skip


def test_nothing_installed_is_a_heading(site: Site) -> None:
    assert len(rows(site)) == 1
