"""Runs the application's code while loading it, and turns every failure into an AppLoadError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corn_core.errors import AppLoadError, CornError, WorkerQuit, one_line
from corn_core.frames import application_traceback, in_application


def run_guarded(
    uri: str, doing: str, code: Callable[[], Any], foreign: tuple[str, ...] = ()
) -> Any:
    """Run code of the application; anything else than a CornError becomes an AppLoadError.

    :param uri: the application as the user named it.
    :param doing: what the code does, to begin the message with.
    :param foreign: path prefixes of files that belong to the loader rather than the
        application; their frames are left out of tracebacks.
    :raises AppLoadError: its ``details`` are the traceback of the application's own code, if
        the error came from there.
    """
    try:
        return code()
    except (CornError, WorkerQuit):
        # An error of ours is complete already. A WorkerQuit is a signal that ends the worker, and
        # only happened to arrive here.
        raise
    except SystemExit as error:
        raise AppLoadError(
            f"{uri!r}: {doing} ended the process (SystemExit: {error.code})",
            application_traceback(error, foreign),
        ) from None
    except Exception as error:
        # Broad, because the application may raise anything. If the error did not come from its
        # code, the traceback would be empty; but a SyntaxError shows the place by itself.
        details = ""
        if in_application(error, foreign) or isinstance(error, SyntaxError):
            details = application_traceback(error, foreign)
        raise AppLoadError(f"{uri!r}: {doing} failed: {one_line(error)}", details) from None
