"""The tutorials work, from an empty directory, and end at what is in examples/plugins."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract import pages
from tests.contract.pages import ROOT, TUTORIALS
from tests.contract.walkthrough import Newcomer

EXAMPLES = ROOT / "examples" / "plugins"
NEEDED = (ROOT, *(ROOT / "plugins" / name for name in ("corn-sync", "corn-testkit")))
LEFT_BEHIND = {"__pycache__", ".pytest_cache", ".ruff_cache"}


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with wheels of what the tutorials install of corn."""
    out = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-deps"]
    command += ["--no-build-isolation", f"--wheel-dir={out}", *map(str, NEEDED)]
    subprocess.run(command, check=True, timeout=120)
    return out


@pytest.fixture
def newcomer(tmp_path: Path, wheels: Path) -> Iterator[Newcomer]:
    reader = Newcomer(tmp_path, wheels)
    yield reader
    reader.close()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorial_works(page: Path, newcomer: Newcomer) -> None:
    for block in pages.blocks(page.read_text()):
        newcomer.follow(block)
    for name, text in written(page).items():
        assert (newcomer.directory / name).read_text() == text


def written(page: Path) -> dict[str, str]:
    """Return the files of distributions that a page writes; others are for trying them."""
    found = pages.files(page.read_text())
    return {name: text for name, text in found.items() if "/" in name}


def test_examples_are_what_the_tutorials_write() -> None:
    shown = {name: text for page in TUTORIALS for name, text in written(page).items()}
    there = {
        str(path.relative_to(EXAMPLES)): path.read_text()
        for path in EXAMPLES.rglob("*")
        if path.is_file() and path.name != "README.md" and not LEFT_BEHIND & {*path.parts}
    }
    assert shown == there


def test_blocks_make_up_a_file() -> None:
    text = (
        "```python file=a/b.py\none\n```\n```python append=a/b.py\ntwo\n```\n"
        "```python append=a/b.py\n    three\n```\n"
    )
    assert pages.files(text) == {"a/b.py": "one\n\n\ntwo\n\n    three\n"}
