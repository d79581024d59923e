"""The core is a stack of ranks: see RANKS in layering.py for which, lowest first."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.contract import layering

CHECKS: dict[str, Callable[[layering.Sources], list[str]]] = {
    "every module has a rank": layering.unranked,
    "a module imports its own package or a lower rank": layering.upward,
    "imports are absolute": layering.relative,
    "there is no import cycle": layering.cycle,
    "the core imports no plugin and no worker library": layering.foreign,
    "http has no sockets, files, clock, log or configuration": layering.impure,
    "an import inside a function says why": layering.hidden,
}

# The rule that each source breaks, and nothing else in it is wrong.
BAD = [
    ("every module has a rank", {"corn_core.helpers": ""}),
    (
        "a module imports its own package or a lower rank",
        {"corn_core.http.head": "from corn_core.wsgi import environ", "corn_core.wsgi": ""},
    ),
    (
        "a module imports its own package or a lower rank",
        {"corn_core.net.address": "import corn_core.http.head"},
    ),
    (
        "a module imports its own package or a lower rank",
        {
            "corn_core.setting": "from corn_core.settings import config",
            "corn_core.config": "",
        },
    ),
    (
        "a module imports its own package or a lower rank",
        {
            "corn_core.worker.base": (
                "from typing import TYPE_CHECKING\n"
                "if TYPE_CHECKING:\n    from corn_core.arbiter.arbiter import Arbiter\n"
            ),
        },
    ),
    (
        "a module imports its own package or a lower rank",
        {"corn_core.validate": "from corn_core.worker import Worker", "corn_core.worker": ""},
    ),
    ("imports are absolute", {"corn_core.http.head": "from .limits import Limits"}),
    (
        "there is no import cycle",
        {
            "corn_core.http.head": "from corn_core.http.body import x",
            "corn_core.http.body": "from corn_core.http import framing",
            "corn_core.http.framing": "import corn_core.http.head",
        },
    ),
    ("the core imports no plugin and no worker library", {"corn_core.cli": "import gevent.hub"}),
    (
        "the core imports no plugin and no worker library",
        {"corn_core.cli": "from corn_sync.worker import SyncWorker"},
    ),
    ("http has no sockets, files, clock, log or configuration", {"corn_core.http.x": "import os"}),
    (
        "http has no sockets, files, clock, log or configuration",
        {"corn_core.http.x": "try:\n    from time import monotonic\nexcept ImportError:\n    pass"},
    ),
    ("an import inside a function says why", {"corn_core.cli": "def main():\n    import ssl"}),
    (
        "an import inside a function says why",
        {"corn_core.cli": "class A:\n  async def b(self):\n    if self:\n      import c"},
    ),
]


@pytest.mark.parametrize("rule", CHECKS)
def test_core_keeps(rule: str) -> None:
    sources = layering.core_sources()
    assert "corn_core.errors" in sources
    assert CHECKS[rule](sources) == []


PLUGINS = layering.plugin_sources()


def test_plugins_are_found() -> None:
    names = {path.name for path in layering.ROOT.glob("plugins/*")}
    assert {package.replace("_", "-") for package in PLUGINS} == names


@pytest.mark.parametrize("package", PLUGINS)
@pytest.mark.parametrize("rule", ["imports are absolute", "there is no import cycle"])
def test_plugin_keeps(package: str, rule: str) -> None:
    assert CHECKS[rule](PLUGINS[package]) == []


@pytest.mark.parametrize(
    "back",
    [
        "from corn_some import plugin",
        "def load():\n    from corn_some import plugin  # lazy: when it is wanted",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import corn_some.plugin",
    ],
    ids=["plain", "lazy", "typing"],
)
def test_cycle_in_a_plugin_is_found(back: str) -> None:
    forth = "def hook():\n    from corn_some.loader import Loader  # lazy: it is heavy"
    sources = {"corn_some": "", "corn_some.plugin": forth, "corn_some.loader": back}
    assert set(layering.cycle(sources)) == {"corn_some.plugin", "corn_some.loader"}


@pytest.mark.parametrize(("broken", "sources"), BAD)
def test_rule_is_enforced(broken: str, sources: dict[str, str]) -> None:
    assert CHECKS[broken](sources) != []


def test_explained_lazy_import_is_accepted() -> None:
    source = "def main():\n    import ssl  # lazy: costs 20 ms and only TLS needs it\n"
    above = "def main():\n    # lazy: costs 20 ms,\n    # and only TLS needs it\n    import ssl\n"
    assert layering.hidden({"corn_core.cli": source}) == []
    assert layering.hidden({"corn_core.cli": above}) == []


def test_command_imports_nothing_heavy() -> None:
    code = "import sys, corn_core.cli, corn_core.assemble; print(*sys.modules, sep='\\n')"
    loaded = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert "corn_core.cli" in loaded
    assert layering.HEAVY.isdisjoint(loaded), sorted(layering.HEAVY.intersection(loaded))


def test_ranks_are_documented() -> None:
    page = (layering.ROOT / "docs" / "architecture.md").read_text()
    section = page.partition("## Ranks")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\d) \| (.+?) \|", section, flags=re.MULTILINE)
    found = [(int(rank), set(re.findall(r"`(\w+)`", names))) for rank, names in rows]
    assert found == list(enumerate(map(set, layering.RANKS)))
