"""Puts a recipe of examples/deploy into a directory, where it can be tried without being root."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from corn_testkit.client import Address, listens
from corn_testkit.server import COMMAND, environment
from corn_testkit.waiting import DEADLINE, wait_for

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "examples" / "deploy"


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing."""
    missing = shutil.which(program) is None
    return pytest.mark.skipif(missing, reason=f"{program} is not installed")


class Host:
    """A directory with the places that the recipes name.

    :ivar socket: where corn listens by ``corn.conf.py``.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self.site, self.run, self.log = home / "srv", home / "run", home / "log"
        for directory in (self.site, self.run, self.log):
            directory.mkdir()
        self.socket = Address(f"unix:{self.run}/corn.sock")
        self.put("corn.conf.py", self.site / "corn.conf.py")
        self.put("shop.py", self.site / "shop.py")

    def text(self, recipe: str, **replaced: str) -> str:
        """Read a recipe, with the places of this host; what is replaced must be in it."""
        text = (RECIPES / recipe).read_text()
        for old, new in replaced.items():
            assert old in text, f"{recipe} does not say {old}"
            text = text.replace(old, new)
        places = {
            "/srv/shop/.venv/bin/corn": COMMAND,
            ".venv/bin/corn": COMMAND,
            "/srv/shop": str(self.site),
            "/run/shop": str(self.run),
            "/var/log/shop": str(self.log),
        }
        # At once: what one of them is replaced by may contain another.
        found = "|".join(map(re.escape, places))
        return re.sub(found, lambda match: places[match[0]], text)

    def put(self, recipe: str, path: Path, replaced: dict[str, str] | None = None) -> Path:
        """Write a recipe to a file, which others may execute if the recipe may be."""
        path.write_text(self.text(recipe, **(replaced or {})))
        path.chmod((RECIPES / recipe).stat().st_mode)
        return path

    @contextmanager
    def running(self, command: Sequence[str | Path], cwd: Path | None = None) -> Iterator[int]:
        """Run a program that supervises corn, until the end of the block; yields its process id."""
        with open(self.log / "program", "wb") as output:
            program = subprocess.Popen(
                command,
                cwd=cwd or self.site,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield program.pid
        finally:
            program.terminate()
            try:
                program.wait(DEADLINE)
            finally:
                program.kill()
                program.wait()
                print((self.log / "program").read_text())

    def serves(self) -> None:
        """Wait until corn answers at its socket."""
        wait_for(lambda: listens(self.socket), "corn to listen")
        assert self.socket.request("GET", "/").status == 200
