"""Reads the imports of the core's and the plugins' modules, without importing them; judges them.

Everything works on a mapping of module names to sources, so that the checks
can be tried on bad sources too.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import corn_core

RANKS = (
    {
        "corn_core",
        "errors",
        "findings",
        "frames",
        "interfaces",
        "setting",
        "config",
        "escape",
        "dates",
        "facade",
        "framework",
        "terminal",
    },
    {"hookspecs", "http", "net", "process"},
    {"settings", "extensions"},
    {"wsgi", "logs", "loaders", "reloading"},
    {"worker", "serving"},
    {"arbiter"},
    {"answers", "builtin", "app", "assemble", "check", "cli", "command", "validate", "__main__"},
)
"""The packages and modules of corn_core, lowest rank first."""

FACADES = {"corn_core.plugin", "corn_core.typing", "corn_core.worker"}
"""The public modules, which gather names from all ranks; nothing in the core imports them. The
modules in the package ``corn_core.worker`` have their rank all the same."""

ONE_GROUP = (0, len(RANKS) - 1)
"""The ranks whose modules may import each other: the ground, and the wiring on top."""

THIRD_PARTY = {"pluggy", "setproctitle", "stevedore"}
"""All that the core may import besides the standard library."""

NOT_IN_HTTP = {
    *("asyncio", "io", "logging", "os", "pathlib", "select", "selectors", "signal", "socket"),
    *("ssl", "subprocess", "tempfile", "threading", "time"),
}
"""What code without input, output and clock has no use for."""

HEAVY = {
    *("asyncio", "concurrent.futures", "http.client", "logging.config", "ssl", "subprocess"),
    *("unittest", "urllib.request"),
}
"""Modules whose import the first response would wait for.

Not among them: stevedore, and the modules that it imports itself, such as json and email.
"""

ROOT = Path(__file__).parents[2]

Sources = Mapping[str, str]


@dataclass(frozen=True)
class Import:
    """One import: who imports what, on which line, and in which kind of place."""

    importer: str
    target: str
    line: int
    in_function: bool
    explained: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def core_sources() -> dict[str, str]:
    """Return the sources of all modules of corn_core."""
    return _sources(Path(corn_core.__file__).parent)


def _sources(root: Path) -> dict[str, str]:
    sources = {}
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        sources[name] = path.read_text()
    return sources


def plugin_sources() -> dict[str, dict[str, str]]:
    """Return the sources of all modules of each plugin, by its package."""
    found = {}
    for package in sorted(ROOT.glob("plugins/*/src/*")):
        if (package / "__init__.py").exists():
            found[package.name] = _sources(package)
    return found


def imports(sources: Sources) -> list[Import]:
    """Yield every import statement of every module, including conditional ones."""
    found = []
    for module, source in sources.items():
        for node, in_function, explained in _statements(source):
            for target in _targets(node, sources):
                found.append(Import(module, target, node.lineno, in_function, explained))
    return found


@cache
def _statements(source: str) -> list[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    """List the import statements: each with whether it is in a function, and whether explained."""
    lines = source.splitlines()
    return [
        (node, in_function, _explained(lines, node.lineno))
        for node, in_function in _import_nodes(ast.parse(source))
    ]


def _import_nodes(
    tree: ast.AST, in_function: bool = False
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, in_function
        inside = in_function or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
        yield from _import_nodes(child, inside)


def _targets(node: ast.Import | ast.ImportFrom, sources: Sources) -> list[str]:
    """List the modules a statement imports: ``from a import b`` may mean ``a.b`` or ``a``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if node.level:
        return ["." * node.level + (node.module or "")]
    base = node.module or ""
    names = [f"{base}.{alias.name}" for alias in node.names]
    return sorted({name if name in sources else base for name in names})


def _explained(lines: list[str], number: int) -> bool:
    """Tell whether a ``lazy:`` comment is on the line, or in the comment right above it."""
    while True:
        if "# lazy: " in lines[number - 1]:
            return True
        number -= 1
        if number < 1 or not lines[number - 1].lstrip().startswith("#"):
            return False


def group(module: str) -> tuple[int, str] | None:
    """Return a module's rank and the name of its group there; None when it has no rank."""
    if module in FACADES:
        return len(RANKS), module
    path = module.removeprefix("corn_core.").split(".")
    for names in (".".join(path), path[0]):
        for rank, groups in enumerate(RANKS):
            if names in groups:
                return rank, "" if rank in ONE_GROUP else names
    return None


def unranked(sources: Sources) -> list[str]:
    return sorted(name for name in sources if group(name) is None)


def upward(sources: Sources) -> list[str]:
    """Imports of a higher rank, or of another group of the same rank."""
    bad = []
    for found in imports(sources):
        if found.target.partition(".")[0] != "corn_core":
            continue
        mine, other = group(found.importer), group(found.target)
        if mine is None or other is None or (other != mine and other[0] >= mine[0]):
            bad.append(str(found))
    return bad


def relative(sources: Sources) -> list[str]:
    return [str(found) for found in imports(sources) if found.target.startswith(".")]


def cycle(sources: Sources) -> list[str]:
    """Return the modules of one import cycle, or nothing."""
    graph: dict[str, set[str]] = {name: set() for name in sources}
    for found in imports(sources):
        if found.target in sources and found.target != found.importer:
            graph[found.importer].add(found.target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def foreign(sources: Sources) -> list[str]:
    """Imports of anything but the core, the standard library and the core's dependencies."""
    known = {"corn_core", *THIRD_PARTY, *sys.stdlib_module_names}
    return [str(found) for found in imports(sources) if found.target.split(".")[0] not in known]


def impure(sources: Sources) -> list[str]:
    """Imports under http/ that would give it input, output, a clock or the configuration."""
    bad = []
    for found in imports(sources):
        if found.importer.startswith("corn_core.http"):
            root = found.target.partition(".")[0]
            if root in NOT_IN_HTTP or found.target == "corn_core.config":
                bad.append(str(found))
    return bad


def hidden(sources: Sources) -> list[str]:
    """Imports inside functions that no comment explains."""
    return [str(one) for one in imports(sources) if one.in_function and not one.explained]
