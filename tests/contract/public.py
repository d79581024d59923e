"""Reads which modules of the core the plugins, the examples and the pages import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contract import pages
from tests.contract.pages import ROOT

PUBLIC = {
    "corn_core",
    "corn_core.app",
    "corn_core.http",
    "corn_core.plugin",
    "corn_core.typing",
    "corn_core.worker",
}
"""The modules of the core that docs/public.md promises to keep."""


def imported(source: str) -> Iterator[tuple[str, str]]:
    """Yield what a source imports of the core: the module, and the name or an empty text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if _in_core(alias.name))
        elif isinstance(node, ast.ImportFrom) and _in_core(node.module or ""):
            yield from ((node.module or "", alias.name) for alias in node.names)


def _in_core(module: str) -> bool:
    return module.partition(".")[0] == "corn_core"


def private(source: str) -> set[str]:
    """Return the modules that a source imports of the core, and that are not public.

    ``from corn_core import x`` imports the module ``corn_core.x`` if there is one.
    """
    found = set()
    for module, name in imported(source):
        is_module = (ROOT / f"{module}.{name}".replace(".", "/")).with_suffix(".py").exists()
        path = f"{module}.{name}" if module == "corn_core" and is_module else module
        if path not in PUBLIC or (name.startswith("_") and name != "__version__"):
            found.add(path)
    return found


def sources() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of everything that must do with the public modules.

    The tests of the plugins in this repository are left out: they are tests of the core as well.
    """
    files = [*ROOT.glob("plugins/*/src/**/*.py"), *ROOT.glob("examples/**/*.py")]
    for path in sorted(files):
        yield str(path.relative_to(ROOT)), path.read_text()
    for page in (*pages.PROSE, *pages.OTHERS):
        blocks = [b for b in pages.blocks(page.read_text()) if b.language == "python"]
        for number, block in enumerate(blocks):
            if "corn_" not in block.text:
                continue  # it may be an application that is broken on purpose
            # A block that continues another one is indented as that is.
            text = f"class _:\n{block.text}" if block.text.startswith(" ") else block.text
            yield f"{Path(page).relative_to(ROOT)} block {number}", text
