"""Running code of the application while it is loaded: every failure is an AppLoadError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corn_core.errors import AppLoadError, WorkerQuit, one_line
from corn_core.frames import application_traceback, in_application


def run_guarded(
    uri: str, doing: str, code: Callable[[], Any], foreign: tuple[str, ...] = ()
) -> Any:
    """Run code of the application; whatever it raises becomes an AppLoadError.

    :param uri: what the user calls the application.
    :param doing: what the code is for, as the beginning of the message.
    :param foreign: beginnings of the paths of files that are the loader's and not the
        application's; their frames are left out of tracebacks.
    :raises AppLoadError: its ``details`` are the traceback of the application's own code, if
        the error came out of that.
    """
    try:
        return code()
    except (AppLoadError, WorkerQuit):
        # It says all there is to say; or a signal ends the worker, and happened to find it here.
        raise
    except SystemExit as error:
        raise AppLoadError(
            f"{uri!r}: {doing} ended the process (SystemExit: {error.code})",
            application_traceback(error, foreign),
        ) from None
    except Exception as error:
        # Broad, because it is anybody's code. The traceback would be empty when the error did not
        # come out of that code, except that a SyntaxError shows the place itself.
        details = ""
        if in_application(error, foreign) or isinstance(error, SyntaxError):
            details = application_traceback(error, foreign)
        raise AppLoadError(f"{uri!r}: {doing} failed: {one_line(error)}", details) from None
