"""Provides what several of the recipes' tests need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.recipes import ROOT, Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with wheels of what the recipes install, and of what that needs."""
    out = tmp_path_factory.mktemp("wheels")
    sources = (ROOT, ROOT / "plugins" / "corn-gthread", ROOT / "plugins" / "corn-prometheus")
    command = [sys.executable, "-m", "pip", "--quiet", "wheel", "--no-build-isolation"]
    subprocess.run([*command, f"--wheel-dir={out}", *map(str, sources)], check=True, timeout=300)
    return out
