"""Running a project's code: whatever it raises becomes one line and the project's traceback."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType
from typing import Any

from corn_core.errors import AppLoadError, CornError, WorkerQuit, one_line
from corn_core.frames import application_traceback, in_application

_HERE = os.path.dirname(__file__) + os.sep


def guarded(what: str, code: Callable[[], Any]) -> Any:
    """What ``code`` returns.

    :param what: what has failed then, as the beginning of the message.
    :raises AppLoadError: when it raises anything, an attempt to end the process included.
    """
    try:
        return code()
    except (CornError, WorkerQuit):
        raise  # it says all there is to say; or a signal ends the worker here by chance
    except (Exception, SystemExit) as error:
        # Broad, because it is anybody's code.
        error = error.with_traceback(_beyond_here(error.__traceback__))
        details = ""
        # Without a frame of its own there is nothing to show, but a SyntaxError shows the place.
        if in_application(error) or isinstance(error, SyntaxError):
            details = application_traceback(error)
        raise AppLoadError(f"{what}: {one_line(error)}", details) from None


def _beyond_here(traceback: TracebackType | None) -> TracebackType | None:
    """A traceback without its first frames, which are of this package."""
    while traceback is not None and traceback.tb_frame.f_code.co_filename.startswith(_HERE):
        traceback = traceback.tb_next
    return traceback
