"""flush_output, in processes whose standard streams are real."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

FLUSH = "import sys\nfrom corn_core.process.output import flush_output\n"


def end_of(code: str, stdout: int) -> int:
    """Run code that ends normally with a standard output like this; returns the exit status."""
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}
    return subprocess.run(
        [sys.executable, "-c", code], stdout=stdout, env=environ, timeout=30
    ).returncode


def test_what_cannot_be_written_is_dropped() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert end_of("print('lost')", full) == 120
        assert end_of(f"{FLUSH}print('lost')\nflush_output()", full) == 0
    finally:
        os.close(full)


def test_the_stream_can_be_written_again(tmp_path: Path) -> None:
    again = tmp_path / "again"
    code = (
        f"{FLUSH}import os\nprint('lost')\nflush_output()\n"
        f"os.dup2(os.open({str(again)!r}, os.O_WRONLY | os.O_CREAT), 1)\n"
        "print('kept')\nflush_output()\n"
    )
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        assert end_of(code, full) == 0
    finally:
        os.close(full)
    assert again.read_text() == "kept\n"


def test_streams_that_are_closed_or_absent_are_left_alone() -> None:
    assert end_of(f"{FLUSH}sys.stdout.close()\nsys.stderr = None\nflush_output()", 1) == 0
