"""Runs a project's code; whatever it raises becomes one line and the project's traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any

from corn_core.plugin import (
    AppLoadError,
    CornError,
    WorkerQuit,
    application_traceback,
    in_application,
    one_line,
)

_HERE = os.path.dirname(__file__) + os.sep


def guarded(what: str, code: Callable[[], Any]) -> Any:
    """Run ``code``, and return its result.

    :param what: what has failed if it raises, to begin the message with.
    :raises AppLoadError: when it raises anything, including an attempt to end the process.
    """
    try:
        return code()
    except (CornError, WorkerQuit):
        raise  # the message is complete; or a signal ends the worker, and happened to arrive here
    except (Exception, SystemExit) as error:
        # Broad, because the project may raise anything.
        error = error.with_traceback(_beyond_here(error.__traceback__))
        details = ""
        # Without a frame of the project there is nothing to show, except for a SyntaxError,
        # which shows the place by itself.
        if in_application(error) or isinstance(error, SyntaxError):
            details = application_traceback(error)
        raise AppLoadError(f"{what}: {one_line(error)}", details) from None


def _beyond_here(traceback: TracebackType | None) -> TracebackType | None:
    """Strip the first frames of a traceback, which belong to this package."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_HERE):
        traceback = traceback.tb_next
    return traceback
