"""The ``corn`` command: from ``sys.argv`` to an exit status."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

from corn_core.errors import CornError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; what a user did wrong is one line on standard error.

    :param argv: the arguments, ``sys.argv`` without its first by default.
    :returns: the exit status.
    """
    run = _import_server()
    try:
        return run(sys.argv[1:] if argv is None else argv, os.environ)
    except CornError as error:
        return report(error)


def report(error: CornError) -> int:
    """Tell the user what is wrong; returns the exit status that says the same."""
    # lazy: by now it is imported, and at the top it would be before _import_server
    from corn_core.logs.capture import release_output

    release_output()  # somebody waits for the answer at a terminal
    if error.details:
        print(error.details, file=sys.stderr, end="")
    print(f"error: {error}", file=sys.stderr)
    return error.exit_status


def _import_server() -> Callable[..., int]:
    """Import everything, without a look for garbage.

    Modules stay, so there is next to none; looking for it again and again took 4 ms of 70.
    Nor is there any need to look later: what is there now is set aside, so that no collection
    in a worker goes through it, and writes to memory that it shares with the master.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        # lazy: for the reason above
        from corn_core.assemble import run
    finally:
        gc.freeze()
        # Before the configuration is read, which may have an opinion on this.
        if collecting:
            gc.enable()
    return run
