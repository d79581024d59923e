"""The ``corn`` command: from ``sys.argv`` to an exit status."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Sequence

from corn_core.errors import CornError
from corn_core.terminal import BOLD, RED, style


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; a user's mistake is reported as one line on standard error.

    :param argv: the arguments; by default ``sys.argv`` without its first item.
    :returns: the exit status.
    """
    run = _import_server()
    try:
        return run(sys.argv[1:] if argv is None else argv, os.environ)
    except CornError as error:
        return report(error)


def report(error: CornError) -> int:
    """Tell the user what is wrong; returns the corresponding exit status."""
    # lazy: imported by now, while an import at the top would come before _import_server
    from corn_core.logs.capture import release_output

    release_output()  # the user is waiting for the answer at a terminal
    if error.details:
        print(error.details, file=sys.stderr, end="")
    look = style(sys.stderr, os.environ)
    word = look.paint("error:", BOLD, RED) if look else "error:"
    print(f"{word} {error}", file=sys.stderr)
    return error.exit_status


def _import_server() -> Callable[..., int]:
    """Import everything without collecting garbage.

    Modules stay alive, so there is hardly any garbage, and looking for it repeatedly took 4 ms of
    70. Nor need it be looked for later: the objects that exist now are frozen, so that no
    collection in a worker goes through them and writes to memory shared with the master.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        # lazy: for the reason above
        from corn_core.command import run
    finally:
        gc.freeze()
        # Before the configuration is read, because it may change this itself.
        if collecting:
            gc.enable()
    return run
