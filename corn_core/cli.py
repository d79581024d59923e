"""The ``corn`` command: from ``sys.argv`` to an exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from corn_core.assemble import run
from corn_core.errors import AppLoadError, CornError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; what a user did wrong is one line on standard error.

    :param argv: the arguments, ``sys.argv`` without its first by default.
    :returns: the exit status.
    """
    try:
        return run(sys.argv[1:] if argv is None else argv, os.environ)
    except CornError as error:
        return report(error)


def report(error: CornError) -> int:
    """Tell the user what is wrong; returns the exit status that says the same."""
    if isinstance(error, AppLoadError) and error.details:
        print(error.details, file=sys.stderr, end="")
    print(f"error: {error}", file=sys.stderr)
    return error.exit_status
