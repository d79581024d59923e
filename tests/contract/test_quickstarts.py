"""The quickstart of each framework works, from an empty directory to an answer."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.contract import pages
from tests.contract.pages import QUICKSTARTS
from tests.contract.walkthrough import Walkthrough

PAGE = QUICKSTARTS.read_text()
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def test_every_framework_has_a_quickstart() -> None:
    assert SECTIONS.keys() == {"Flask", "Django", "Pyramid", "Falcon", "Bottle", "Dash"}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("framework", SECTIONS)
def test_quickstart(framework: str, tmp_path: Path) -> None:
    blocks = pages.blocks(SECTIONS[framework])
    assert any("pip install" in block.text for block in blocks)
    reader = Walkthrough(tmp_path)
    try:
        for block in blocks:
            reader.follow(block)
    finally:
        reader.close()
