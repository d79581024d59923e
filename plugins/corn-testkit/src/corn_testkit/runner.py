"""Runs tests of the suite for one worker after another: ``python -m corn_testkit.runner``.

All in one process, which starts once and has a fork server for all of the workers. It reads a
JSON array of pytest's arguments from each line of standard input, and answers with a line that has
the exit status and what pytest wrote, as JSON too.
"""

from __future__ import annotations

import io
import json
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout

import pytest

from corn_testkit.conformance import LONGEST, SUITE


class Runner:
    """Starts that process, and talks with it."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "corn_testkit.runner"],
            cwd=SUITE,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )

    def run(self, arguments: Sequence[str]) -> tuple[int, str]:
        """Run pytest; returns its exit status and its report."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        requests.write(json.dumps(arguments).encode() + b"\n")
        assert select.select([answers], [], [], LONGEST)[0], "the run does not end"
        line = answers.readline()
        assert line, "the process that runs them has ended; what it wrote says why"
        status, report = json.loads(line)
        return status, report

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    answers = sys.stdout
    for line in sys.stdin:
        report = io.StringIO()
        with redirect_stdout(report), redirect_stderr(report):
            status = int(pytest.main(json.loads(line)))
        print(json.dumps([status, report.getvalue()]), file=answers, flush=True)


if __name__ == "__main__":
    main()
