"""`make` says clearly what is wrong with the Python that it is given."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[2] / "Makefile"

# A Python that believes something of itself before it runs the code it is given.
PRETENDER = """\
#!/bin/sh
case "$1" in
-V) echo "Python 3.9.2" ;;
-c) exec {python} -c "import sys; {belief}
$2" ;;
*) echo "make goes on with a bad Python" >&2; exit 99 ;;
esac
"""


def make(directory: Path, python: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(MAKEFILE, directory)
    command = ["make", "--no-print-directory", f"PYTHON={python}", "serve"]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60)


def pretender(directory: Path, belief: str) -> str:
    script = directory / "python"
    script.write_text(PRETENDER.format(python=sys.executable, belief=belief))
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize(
    ("belief", "message"),
    [
        ("sys.version_info = (3, 9, 2)", "corn needs Python 3.11 or newer, and .* is Python 3.9.2"),
        ("sys.modules['ensurepip'] = None", "has no venv module; .*apt-get install python3-venv"),
    ],
)
def test_unfit_python(tmp_path: Path, belief: str, message: str) -> None:
    outcome = make(tmp_path, pretender(tmp_path, belief))
    assert outcome.returncode != 0
    assert re.search(message, outcome.stderr), outcome.stderr
    assert not (tmp_path / ".venv").exists()


def test_missing_python(tmp_path: Path) -> None:
    outcome = make(tmp_path, str(tmp_path / "nothing"))
    assert outcome.returncode != 0
    assert "does not run; name a Python 3.11 or newer" in outcome.stderr
